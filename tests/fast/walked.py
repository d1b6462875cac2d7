"""What becomes of each key that a host hands to a pipe, as `dev.host.walking` names it."""

from __future__ import annotations

# What reaches Google or changes what the chat shows.
USED = """
    body.aspect_ratio body.image_size body.messages body.model body.n
    body.output_compression body.output_format body.size
    body.stream message.content message.role
    part.file part.image_url part.text part.type
    metadata.chat_id metadata.features metadata.model metadata.tools feature.web_search
    model.info model.info.meta model.info.meta.knowledge
    file.context file.file file.file.data file.id file.name file.type file.url
    user_message.files
"""

# What counts with a host behind the plugin only: its files, its saved chats, and its
# templates where they are an administrator's own; or in a folder that has files, as the
# recorded one has not (test_documents.py, test_knowledge_that_is_not_handed_over_is_named).
USED_WITH_A_HOST = """
    metadata.message_id metadata.user_message_id metadata.parent_message_id
    metadata.regeneration_message_id
    metadata.user_message metadata.files metadata.sources
    metadata.tool_ids metadata.base_user_prompt metadata.user_prompt
    metadata.folder_knowledge
    feature.code_interpreter feature.voice model.name
    file.content_type file.file.meta
"""

# What chat controls, presets and API clients ask for and no image model takes.
NAMED = """
    body.background body.frequency_penalty body.logit_bias body.logprobs
    body.max_completion_tokens body.max_tokens body.min_p body.moderation body.negative
    body.num_ctx body.presence_penalty body.quality body.reasoning_effort
    body.repeat_penalty body.response_format
    body.seed body.service_tier body.stop body.store body.style body.temperature
    body.tool_choice body.tools body.top_k body.top_logprobs body.top_p body.verbosity
"""
# Where that is so; in no other situation does anybody ask for such a thing.
WISHED_IN = {"chat controls", "preset", "API, parameters", "API, tools"}

# What concerns no image model, by the reason.
CONCERNS_NONE = {
    "who asks, from where": """
        body.user metadata.user_id metadata.user_agent metadata.session_id
        metadata.internal metadata.direct metadata.automation_id
        metadata.variables metadata.chat_variables message.name
    """,
    "where in a chat it is, which the message's own id tells": """
        body.folder_id metadata.folder_id
        metadata.parent_message metadata.assistant_message_id metadata.task_id
        user_message.id user_message.parentId user_message.childrenIds
        user_message.timestamp user_message.models
        user_message.user_id user_message.user
    """,
    "what stands in the messages, too, as the host's filters left it": """
        user_message.content user_message.role metadata.base_system_prompt
        metadata.system_prompt metadata.chat_context
    """,
    "what asks for what happens anyway": """
        body.modalities body.stream_options body.parallel_tool_calls
    """,
    "tools and skills, which no image model is given": """
        metadata.tool_servers metadata.tool_approval_resume metadata.terminal_id
        metadata.skill_ids metadata.filter_ids body.filter_ids metadata.function_calling
        message.tool_calls message.tool_call_id message.refusal
    """,
    "how the host works off what a model of words says": """
        metadata.params params.compact_token_threshold params.function_calling
        params.model_controls params.reasoning_tags params.stream_delta_chunk_size
        params.tool_approval_mode metadata.include_file_context
    """,
    "what the host itself has done, or a picture needs not": """
        feature.image_generation feature.memory
    """,
    "what the host keeps of a model; its parameters stand in the body, too": """
        metadata.model_id model.id model.object model.created model.owned_by model.pipe
        model.has_user_valves model.actions model.filters model.connection_type
        model.preset model.tags model.info.id model.info.version_id
        model.info.user_id model.info.base_model_id model.info.name model.info.params
        model.info.access_grants model.info.access_control model.info.is_active
        model.info.updated_at model.info.created_at
        model.info.meta.background_image_url model.info.meta.profile_image_url
        model.info.meta.description model.info.meta.i18n model.info.meta.capabilities
        model.info.meta.voice model.info.meta.voice_avatar
    """,
    "how the host keeps a file": """
        file.collection_name file.error file.size file.status
        file.file.id file.file.user_id file.file.hash file.file.filename
        file.file.created_at file.file.updated_at file.file.status file.file.path
        file.file.access_control
    """,
    "the bytes of a part that a note names by its type": "part.input_audio",
}


def listed(*tables: str) -> set[str]:
    """The keys in some tables, none of which stands in two."""
    found = [key for table in tables for key in table.split()]
    assert len(found) == len(set(found)), "a key stands there twice"
    return set(found)


def known() -> set[str]:
    """All keys of which it is settled what becomes of them."""
    return listed(USED, USED_WITH_A_HOST, NAMED, *CONCERNS_NONE.values())
