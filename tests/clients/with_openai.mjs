// A conversation with OpenAI's client for JavaScript, as its README has it.

import OpenAI from "openai";

const { model, way, system, prompts } = JSON.parse(process.argv[2]);
const client = new OpenAI();

const ways = {
  async whole(question) {
    return ofCompletion(await client.chat.completions.create(question));
  },
  async plain_loop(question) {
    const stream = await client.chat.completions.create({ ...question, stream: true });
    const answer = { content: "", role: "", finish: "" };
    for await (const chunk of stream) {
      answer.content += chunk.choices[0].delta.content ?? "";
      answer.role += chunk.choices[0].delta.role ?? "";
      answer.finish += chunk.choices[0].finish_reason ?? "";
      answer.model = chunk.model;
    }
    return answer;
  },
  async accumulated(question) {
    const stream = client.chat.completions.stream(question);
    return ofCompletion(await stream.finalChatCompletion());
  },
  async accumulated_with_usage(question) {
    return ways.accumulated({ ...question, stream_options: { include_usage: true } });
  },
};

function ofCompletion({ choices: [choice], model, usage }) {
  return {
    content: choice.message.content,
    role: choice.message.role,
    finish: choice.finish_reason,
    model,
    tokens: usage && [usage.prompt_tokens, usage.completion_tokens],
  };
}

const answers = [];
const messages = [{ role: "developer", content: system }];
for (const prompt of prompts) {
  messages.push({ role: "user", content: prompt });
  answers.push(await ways[way]({ model, messages }));
  messages.push({ role: "assistant", content: answers.at(-1).content });
}
console.log(JSON.stringify(answers));
