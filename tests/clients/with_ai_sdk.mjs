// A conversation with the Vercel AI SDK, as its page on OpenAI compatible providers
// has it.

import { createOpenAICompatible } from "@ai-sdk/openai-compatible";
import { generateText, streamText } from "ai";

const { model, way, system, prompts } = JSON.parse(process.argv[2]);
const provider = createOpenAICompatible({
  name: "open-webui",
  apiKey: process.env.OPENAI_API_KEY,
  baseURL: process.env.OPENAI_BASE_URL,
  includeUsage: way === "accumulated_with_usage",
});

async function ask(messages) {
  const question = { model: provider(model), system, messages };
  if (way === "whole") return generateText(question);
  const result = streamText({ ...question, onError: fail });
  for await (const _ of result.textStream);
  return result;
}

// By itself it writes an error of the stream to the console, and goes on.
function fail({ error }) {
  throw error;
}

const answers = [];
const messages = [];
for (const prompt of prompts) {
  messages.push({ role: "user", content: prompt });
  const result = await ask(messages);
  const { inputTokens, outputTokens } = await result.usage;
  const content = await result.text;
  answers.push({
    content,
    finish: await result.finishReason,
    model: (await result.response).modelId,
    tokens: inputTokens === undefined ? null : [inputTokens, outputTokens],
  });
  messages.push({ role: "assistant", content });
}
console.log(JSON.stringify(answers));
