"""Google's own client talks to the stand-in as to Google: it plays its part well."""

from collections.abc import Iterator

import pytest
from google import genai
from google.genai import errors, types
from google.oauth2 import service_account

import gemini_image_pipe as gip
from dev.standin import DEFAULT_KEY, StandIn, make_account
from dev.standin.cloud import PROJECT, SCOPE

MODEL = "gemini-3-pro-image"
BOTH = types.GenerateContentConfig(response_modalities=["TEXT", "IMAGE"])


@pytest.fixture
def client(google: StandIn) -> Iterator[genai.Client]:
    # By itself it takes v1, of which nobody has said whether it makes images.
    options = types.HttpOptions(base_url=google.url, api_version="v1beta")
    with genai.Client(api_key=DEFAULT_KEY, http_options=options) as opened:
        yield opened


def pictures_in(*answers: types.GenerateContentResponse) -> list[bytes]:
    parts = [part for answer in answers for part in answer.parts or ()]
    found = [part.inline_data for part in parts if not part.thought]
    return [blob.data for blob in found if blob and blob.data]


def test_it_lists_the_models(client: genai.Client) -> None:
    listed = {str(model.name).removeprefix("models/") for model in client.models.list()}
    assert {facts.id for facts in gip.CURRENT_MODELS} <= listed
    found = client.models.get(model=MODEL)
    assert "generateContent" in (found.supported_actions or ())


def test_it_gets_a_picture_whole(client: genai.Client, google: StandIn) -> None:
    config = BOTH.model_copy(
        update={"image_config": types.ImageConfig(aspect_ratio="16:9", image_size="2K")}
    )
    answer = client.models.generate_content(
        model=MODEL, contents="a fox", config=config
    )
    assert pictures_in(answer) == google.sent_images and google.sent_images
    assert answer.usage_metadata and answer.usage_metadata.total_token_count


@pytest.mark.parametrize("how", ["", "[[drafts]]", "[[size 1MB]]", "[[search]]"])
def test_it_gets_a_picture_streamed(
    client: genai.Client, google: StandIn, how: str
) -> None:
    stream = client.models.generate_content_stream(
        model=MODEL, contents=f"a fox {how}", config=BOTH
    )
    assert pictures_in(*stream) == google.sent_images and google.sent_images


def test_it_changes_a_picture_in_a_chat(client: genai.Client, google: StandIn) -> None:
    """It sends back what it got, signatures and all."""
    chat = client.chats.create(model=MODEL, config=BOTH)
    assert pictures_in(chat.send_message("a fox"))
    assert pictures_in(chat.send_message("now in snow"))
    assert len(google.sent_images) == 2


@pytest.mark.parametrize(
    ("prompt", "code", "status"),
    [
        ("[[429 zero]]", 429, "RESOURCE_EXHAUSTED"),
        ("[[status 503]]", 503, "UNAVAILABLE"),
        ("[[error key invalid]]", 400, "INVALID_ARGUMENT"),
    ],
)
def test_it_knows_the_errors(
    client: genai.Client, prompt: str, code: int, status: str
) -> None:
    with pytest.raises(errors.APIError) as failure:
        client.models.generate_content(model=MODEL, contents=prompt, config=BOTH)
    assert (failure.value.code, failure.value.status) == (code, status)


def test_it_knows_the_reasons(client: genai.Client) -> None:
    answer = client.models.generate_content(
        model=MODEL, contents="a fox [[finish IMAGE_SAFETY]]", config=BOTH
    )
    assert answer.candidates
    assert answer.candidates[0].finish_reason is types.FinishReason.IMAGE_SAFETY
    answer = client.models.generate_content(
        model=MODEL, contents="a fox [[block SAFETY]]", config=BOTH
    )
    assert answer.prompt_feedback
    assert answer.prompt_feedback.block_reason is types.BlockedReason.SAFETY


def test_it_counts_tokens(client: genai.Client) -> None:
    counted = client.models.count_tokens(model=MODEL, contents="a fox")
    assert counted.total_tokens


# ── Vertex AI ────────────────────────────────────────────────────────────────────────

ON_VERTEX = BOTH.model_copy(
    update={
        "image_config": types.ImageConfig(
            aspect_ratio="16:9",
            person_generation="ALLOW_ADULT",
            output_mime_type="image/jpeg",
            output_compression_quality=75,
        )
    }
)


def vertex_client(google: StandIn, **more: str) -> genai.Client:
    account = make_account(google.url)
    google.cloud.enrol(account)
    credentials = service_account.Credentials.from_service_account_info(
        account.info, scopes=[SCOPE]
    )
    return genai.Client(
        vertexai=True,
        project=more.get("project", PROJECT),
        location=more.get("location", "global"),
        credentials=credentials,
        http_options=types.HttpOptions(base_url=google.url),
    )


def test_a_project_gets_a_picture_as_the_plugin_does(google: StandIn) -> None:
    """The same paths, headers and fields, with a token that the stand-in handed out."""
    with vertex_client(google) as client:
        answer = client.models.generate_content(
            model=MODEL, contents="a fox", config=ON_VERTEX
        )
        [*streamed] = client.models.generate_content_stream(
            model=MODEL, contents="a cat", config=BOTH
        )
    assert pictures_in(answer, *streamed) == google.sent_images
    paths = [request.path for request in google.requests]
    place = f"/v1beta1/projects/{PROJECT}/locations/global/publishers/google/models"
    assert paths == [
        "/token",
        f"{place}/{MODEL}:generateContent",
        f"{place}/{MODEL}:streamGenerateContent",
    ]
    settings = {
        "PERSON_GENERATION": "ALLOW_ADULT",
        "OUTPUT_FORMAT": "jpeg",
        "OUTPUT_QUALITY": "75",
        "ASPECT_RATIO": "16:9",
    }
    asked = gip.Conversation(newest=gip.Turn("user", "a fox"))
    options, _ = gip.read_options(settings.items())
    ours = gip.generate_body(asked, options)["generationConfig"]["imageConfig"]
    assert google.requests[1].body["generationConfig"]["imageConfig"] == ours


@pytest.mark.parametrize(
    ("place", "code", "status"),
    [
        ({"location": "us-central1"}, 404, "NOT_FOUND"),
        ({"project": "no-such-project"}, 403, "PERMISSION_DENIED"),
    ],
)
def test_a_wrong_place_is_refused_to_it_too(
    google: StandIn, place: dict[str, str], code: int, status: str
) -> None:
    with (
        vertex_client(google, **place) as client,
        pytest.raises(errors.APIError) as failure,
    ):
        client.models.generate_content(model=MODEL, contents="a fox", config=BOTH)
    assert (failure.value.code, failure.value.status) == (code, status)


def test_a_key_gets_a_picture_without_a_project(google: StandIn) -> None:
    options = types.HttpOptions(base_url=google.url)
    with genai.Client(
        vertexai=True, api_key=DEFAULT_KEY, http_options=options
    ) as client:
        answer = client.models.generate_content(
            model=MODEL, contents="a fox", config=BOTH
        )
    assert pictures_in(answer) == google.sent_images
    [request] = google.requests
    assert request.path == f"/v1beta1/publishers/google/models/{MODEL}:generateContent"
