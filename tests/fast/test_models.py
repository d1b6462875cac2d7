"""Which models are image models, what `auto` means, who answers for whom."""

import itertools
import string

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rows import check_rows

import gemini_image_pipe as gip

NB = "gemini-nano-banana-2.1"
FLASH = "gemini-3.1-flash-image"
LITE = "gemini-3.1-flash-lite-image"
PRO = "gemini-3-pro-image"
OLD = "gemini-2.5-flash-image"
IMAGEN_3 = "imagen-3.0-generate-002"
IMAGEN_4 = "imagen-4.0-generate-001"

GENERATE = ("generateContent", "countTokens", "batchGenerateContent")
PREDICT = ("predict",)


def model(
    model_id: str, name: str = "", methods: tuple[str, ...] = GENERATE
) -> gip.ListedModel:
    return gip.ListedModel(model_id, name or gip.display_name(model_id), methods)


def listed(*ids: str) -> dict[str, gip.ListedModel]:
    """What the key can use, as Google would list it."""
    return {
        i: model(i, methods=PREDICT if i.startswith("imagen") else GENERATE)
        for i in ids
    }


def route_to(asked: str, *ids: str, follow: bool = True) -> gip.Route:
    route = gip.resolve_model(asked, listed(*ids), follow)
    assert route is not None
    return route


# ── Ids as people paste them ─────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("pasted", "bare"),
    [
        pytest.param(NB, NB, id="bare"),
        pytest.param(f"  {NB}\n", NB, id="blanks-around"),
        pytest.param(f"models/{NB}", NB, id="prefix"),
        pytest.param(f"/models/{NB}/", NB, id="slashes"),
        pytest.param(f"{NB}:generateContent", NB, id="method-suffix"),
        pytest.param(f"{NB}:streamGenerateContent?alt=sse", NB, id="method-and-query"),
        pytest.param(f"publishers/google/models/{NB}:predict", NB, id="vertex-path"),
        pytest.param(f"https://host.example/v1beta/models/{NB}", NB, id="address"),
        pytest.param("", "", id="empty"),
        pytest.param(None, "", id="none"),
        pytest.param("  ", "", id="blank"),
        pytest.param(7, "7", id="number"),
    ],
)
def test_a_pasted_id_is_reduced_to_the_bare_one(pasted: object, bare: str) -> None:
    """Else the path of the request holds the prefix or the method twice: a 404."""
    assert gip.clean_model_id(pasted) == bare


# ── The filter over ListModels ───────────────────────────────────────────────────────


@pytest.mark.parametrize(
    "offered",
    [
        pytest.param(model(NB, "Nano Banana 2.1"), id="no-image-in-the-id"),
        pytest.param(model(NB, "NB 2.1"), id="only-the-id-tells"),
        pytest.param(model("gemini-9", "Nano Banana 9"), id="only-the-name-tells"),
        pytest.param(model("gemini-9", "Gemini 9 Image"), id="image-in-the-name"),
        pytest.param(model("gemini-9-image"), id="unknown-new-one"),
        pytest.param(model("nano-banana-pro-preview"), id="alias"),
        pytest.param(model("nanobanana-3"), id="written-together"),
        pytest.param(model("nano_banana_3"), id="underscores"),
        pytest.param(model("Gemini-9-IMAGE"), id="capitals"),
        pytest.param(model("gemini-2.0-flash-exp-image-generation"), id="of-2025"),
        pytest.param(model(IMAGEN_4, "Imagen 4", PREDICT), id="imagen"),
        pytest.param(model(IMAGEN_4, methods=()), id="methods-left-out"),
        pytest.param(model("olive-image"), id="live-inside-a-word"),
    ],
)
def test_image_models_are_offered(offered: gip.ListedModel) -> None:
    """A model that is missed here cannot be chosen by anybody."""
    assert gip.is_image_model(offered)


@pytest.mark.parametrize(
    "other",
    [
        pytest.param(model("gemini-3.5-flash", "Gemini 3.5 Flash"), id="text"),
        pytest.param(
            model("veo-4.0-image", methods=("predictLongRunning",)), id="video"
        ),
        pytest.param(model("veo-4.0-image-to-video"), id="video-from-image"),
        pytest.param(model("gemini-omni-flash-image"), id="omni"),
        pytest.param(model("gemini-3-image-live-preview"), id="live"),
        pytest.param(model("multimodal-image-embedding-001"), id="embedding"),
        pytest.param(model("gemini-image-embedding2"), id="embedding-with-number"),
        pytest.param(model("gemini-robotics-image-1"), id="robotics"),
        pytest.param(model("gemini-image-tts"), id="speech"),
        pytest.param(model("lyria-image"), id="music"),
        pytest.param(model("deep-research-image"), id="research"),
        pytest.param(model("gemini-native-audio-image"), id="audio"),
        pytest.param(model("gemini-9-image", methods=("countTokens",)), id="no-method"),
        pytest.param(
            model("gemini-9-image", methods=("bidiGenerateContent",)), id="bidi-only"
        ),
        pytest.param(
            model("imagen-9", methods=("predictLongRunning",)), id="long-running"
        ),
        pytest.param(model("preimage-1"), id="image-inside-a-word"),
    ],
)
def test_other_models_are_not_offered(other: gip.ListedModel) -> None:
    """Choosing one of these would bill a call that cannot make a picture."""
    assert not gip.is_image_model(other)


@pytest.mark.parametrize(
    ("called", "generates"),
    [
        pytest.param(model(NB), True, id="gemini"),
        pytest.param(model(IMAGEN_4, methods=PREDICT), False, id="imagen"),
        pytest.param(model("gemini-9-image", methods=()), True, id="gemini-no-methods"),
        pytest.param(model(IMAGEN_3, methods=()), False, id="imagen-no-methods"),
        pytest.param(
            model(IMAGEN_4, methods=("generateContent", "predict")), True, id="both"
        ),
        pytest.param(model("picasso", methods=PREDICT), False, id="predict-only"),
    ],
)
def test_the_method_is_chosen_per_model(
    called: gip.ListedModel, generates: bool
) -> None:
    """The wrong one of generateContent and predict is answered with a 404."""
    assert gip.uses_generate(called) is generates


# ── What `auto` means ────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("ids", "newest"),
    [
        pytest.param([OLD, PRO, FLASH, LITE, NB], NB, id="newest-known"),
        pytest.param([FLASH, OLD], FLASH, id="without-the-newest"),
        pytest.param([NB, "gemini-nano-banana-99"], "gemini-nano-banana-99", id="next"),
        pytest.param(
            [NB, "gemini-nano-banana-2.9", "gemini-nano-banana-2.10"],
            "gemini-nano-banana-2.10",
            id="2.10>2.9",
        ),
        pytest.param([NB, "gemini-nano-banana-2.0"], NB, id="older-of-the-line"),
        pytest.param([NB, "gemini-nano-banana-99-preview"], NB, id="no-preview"),
        pytest.param([NB, "gemini-9-ultra-image"], NB, id="unknown-price"),
        pytest.param([NB, "gemini-99-flash-image"], NB, id="other-line"),
        pytest.param(["a-image-preview", "b-image"], "b-image", id="released-first"),
        pytest.param(["a-image-exp-1"], "a-image-exp-1", id="only-a-preview"),
        pytest.param([], gip.CURRENT_MODELS[0].id, id="nothing-listed"),
    ],
)
def test_auto_is_the_newest_released_model(ids: list[str], newest: str) -> None:
    """`auto` must neither go stale nor jump to a model whose price nobody knows."""
    assert gip.newest_model(ids) == newest
    assert gip.newest_model(reversed(ids)) == newest


def test_auto_keeps_to_the_models_that_the_administrator_chose() -> None:
    """An administrator who lists only cheap models must not pay for others."""
    chosen = gip.resolve_model("auto", listed(NB, FLASH, LITE), wanted=["*lite*"])
    assert chosen and chosen.model == LITE


@pytest.mark.parametrize("wanted", [["none-of-these*"], ["auto"]])
def test_auto_answers_though_the_choice_fits_nothing(wanted: list[str]) -> None:
    """A typing mistake in MODELS must not take away the default model."""
    route = gip.resolve_model("auto", listed(FLASH), wanted=wanted)
    assert route and route.model == FLASH


def test_auto_is_not_a_typed_id_that_google_does_not_list() -> None:
    """A mistyped newer id in MODELS would cost every `auto` chat a failed call."""
    wanted = ["gemini-nano-banana*", "gemini-nano-banana-9"]
    route = gip.resolve_model("auto", listed(NB, FLASH), wanted=wanted)
    assert route and route.model == NB


# ── Who answers for whom ─────────────────────────────────────────────────────────────


@pytest.mark.parametrize("asked", [NB, FLASH, OLD, IMAGEN_3, "gemini-9-image"])
def test_a_listed_model_is_called_as_it_is(asked: str) -> None:
    """Even a retired one: where Google still lists it, it still works."""
    route = route_to(asked, NB, asked)
    assert (route.model, route.replaced) == (asked, False)
    assert route.generate is (asked != IMAGEN_3)


@pytest.mark.parametrize(
    ("asked", "heir", "level"),
    [
        pytest.param(IMAGEN_3, NB, "HIGH", id="imagen-3"),
        pytest.param("imagen-3.0-fast-generate-001", NB, "MINIMAL", id="imagen-fast"),
        pytest.param("imagen-3.0-capability-001", NB, None, id="imagen-capability"),
        pytest.param(IMAGEN_4, NB, "HIGH", id="imagen-4"),
        pytest.param("imagen-4.0-fast-generate-001", NB, "MINIMAL", id="imagen-4-fast"),
        pytest.param("imagen-4.0-ultra-generate-001", PRO, None, id="imagen-4-ultra"),
        pytest.param(
            "imagen-4.0-ultra-generate-preview-06-06", PRO, None, id="ultra-preview"
        ),
        pytest.param(
            "imagen-4.0-generate-preview-06-06", NB, "HIGH", id="imagen-preview"
        ),
        pytest.param("gemini-2.0-flash-exp", OLD, None, id="2.0-exp"),
        pytest.param(
            "gemini-2.0-flash-exp-image-generation", OLD, None, id="2.0-exp-image"
        ),
        pytest.param(
            "gemini-2.0-flash-preview-image-generation", OLD, None, id="2.0-preview"
        ),
        pytest.param("gemini-2.5-flash-image-preview", OLD, None, id="2.5-preview"),
        pytest.param("gemini-3-pro-image-preview", PRO, None, id="3-preview"),
        pytest.param("nano-banana-pro-preview", PRO, None, id="alias"),
        pytest.param("gemini-3.1-flash-image-preview", FLASH, None, id="3.1-preview"),
    ],
)
def test_a_retired_model_is_answered_by_googles_successor(
    asked: str, heir: str, level: str | None
) -> None:
    """Chats, presets and clients keep the old id for years."""
    route = route_to(asked, NB, FLASH, LITE, PRO, OLD)
    assert (route.model, route.thinking_level) == (heir, level)
    assert route.replaced and route.asked == asked and route.generate


@pytest.mark.parametrize(
    ("asked", "available", "heir"),
    [
        pytest.param("gemini-2.5-flash-image-preview", [LITE, NB], LITE, id="2.5"),
        pytest.param("gemini-2.5-flash-image-preview", [NB], NB, id="2.5-to-the-end"),
        pytest.param("gemini-2.0-flash-exp", [NB, PRO], NB, id="2.0"),
        pytest.param(OLD, [NB, LITE], LITE, id="whatever-retires-next"),
        pytest.param(FLASH, [NB], NB, id="deprecated-one"),
    ],
)
def test_a_successor_that_is_gone_too_is_passed_over(
    asked: str, available: list[str], heir: str
) -> None:
    """Else an old id dies when its first successor does."""
    assert route_to(asked, *available).model == heir


def test_no_successor_among_the_models_of_the_key() -> None:
    """Then the caller has a sentence to say, with the models that there are."""
    assert gip.resolve_model(IMAGEN_3, listed(OLD)) is None


@pytest.mark.parametrize("available", [[], [NB]])
def test_successors_can_be_switched_off(available: list[str]) -> None:
    """FOLLOW_SUCCESSORS off: the administrator wants to see Google's refusal."""
    route = route_to(IMAGEN_3, *available, follow=False)
    assert (route.model, route.generate, route.replaced) == (IMAGEN_3, False, False)


@pytest.mark.parametrize("available", [[], [NB]])
@pytest.mark.parametrize("asked", ["gemini-9-image", "my-tuned-image-model"])
def test_an_unknown_id_is_called_as_it_is(asked: str, available: list[str]) -> None:
    """New models must work without a release of the plugin."""
    assert route_to(asked, *available).model == asked


@pytest.mark.parametrize(
    "available",
    [
        pytest.param([NB, FLASH], id="typed-in-by-the-administrator"),
        pytest.param([], id="list-unreachable"),
    ],
)
def test_an_unknown_preview_is_called_as_it_is(available: list[str]) -> None:
    """Whether it has become a released model is a guess, not the table's knowledge:
    a living preview must not be called retired without a request."""
    assert route_to("gemini-9-flash-image-preview", *available).model == (
        "gemini-9-flash-image-preview"
    )


def test_an_unknown_preview_goes_to_its_released_model_once_that_is_listed() -> None:
    route = route_to("gemini-9-flash-image-preview", NB, "gemini-9-flash-image")
    assert route.model == "gemini-9-flash-image"


@pytest.mark.parametrize("asked", [NB, FLASH, OLD, PRO, LITE])
def test_without_a_list_a_current_model_is_called_as_it_is(asked: str) -> None:
    """Google's list being away must not turn a good model into its successor."""
    assert route_to(asked).model == asked


def test_without_a_list_a_dead_model_goes_to_its_nearest_successor() -> None:
    assert route_to(IMAGEN_3).model == NB


# ── After Google said that the model is gone ─────────────────────────────────────────


def walk(
    choice: gip.Choice, available: dict[str, gip.ListedModel], *named: str
) -> list[gip.Route]:
    """Who is called when every one of them turns out to be gone.

    named: what Google's refusals name, one after the other.
    """
    called = []
    hints: list[str] = []
    refusals = iter(named)
    for route in gip.candidates(choice, available, hints):
        called.append(route)
        assert len(called) < 10, "goes round in circles"
        available.pop(route.model, None)
        hints += itertools.islice(refusals, 1)
    return called


def called_for(choice: gip.Choice | str, ids: list[str], *named: str) -> list[str]:
    """The same, by the ids."""
    choice = gip.Choice(choice) if isinstance(choice, str) else choice
    return [route.model for route in walk(choice, listed(*ids), *named)]


@pytest.mark.parametrize(
    ("asked", "available", "called"),
    [
        pytest.param(OLD, [OLD, LITE, NB], [OLD, LITE, NB], id="down-the-line"),
        pytest.param(OLD, [OLD, NB], [OLD, NB], id="only-those-that-are-there"),
        pytest.param(IMAGEN_4, [IMAGEN_4, NB], [IMAGEN_4, NB], id="imagen"),
        pytest.param(PRO, [PRO, NB], [PRO], id="no-successor"),
        pytest.param("gemini-9-image", [NB], ["gemini-9-image"], id="unknown"),
        pytest.param(
            "gemini-2.5-flash-image-preview", [], [OLD, LITE, NB], id="no-list"
        ),
    ],
)
def test_each_successor_is_tried_once(
    asked: str, available: list[str], called: list[str]
) -> None:
    """A 404 leads on, and never back."""
    assert called_for(asked, available) == called


def test_auto_goes_through_all_that_are_listed() -> None:
    """One dead model must not take `auto` down while another is alive."""
    assert called_for("auto", [OLD, NB, PRO]) == [NB, PRO, OLD]


def test_four_are_asked_at_most() -> None:
    """Who waits for a picture does not wait for a refusal of each model there is."""
    by_age = sorted(gip.CURRENT_MODELS, key=lambda f: f.released, reverse=True)
    everything = [facts.id for facts in gip.CURRENT_MODELS]
    assert len(everything) > gip.MAX_MODELS_ASKED == 4
    called = called_for("auto", everything)
    assert len(called) == 4
    assert called[0] == by_age[0].id
    chain = "gemini-2.0-flash-exp"  # all of its successors, and then those named
    names = [PRO, LITE, "gemini-9-image"]
    assert len(called_for(chain, [*everything, "gemini-9-image"], *names)) == 4


@pytest.mark.parametrize(
    ("available", "named", "called"),
    [
        pytest.param([OLD, NB, LITE], [NB], [OLD, NB], id="before-the-table-s"),
        pytest.param([OLD, LITE], [NB], [OLD, NB], id="of-the-table-alone"),
        pytest.param(
            [OLD, LITE, "gemini-9"], ["gemini-9"], [OLD, "gemini-9"], id="listed-alone"
        ),
        pytest.param([], [PRO], [OLD, PRO], id="where-nothing-is-listed"),
        pytest.param([OLD, NB, LITE], ["gemini-8-image"], [OLD, LITE], id="neither"),
        pytest.param([], ["gemini-8-image"], [OLD, LITE], id="neither-without-a-list"),
        pytest.param(
            [OLD, LITE, NB], ["gemini-3.5-flash"], [OLD, LITE], id="text-model"
        ),
        pytest.param([OLD, LITE, NB], [OLD], [OLD, LITE], id="the-one-that-is-gone"),
        pytest.param([OLD, LITE, NB], [""], [OLD, LITE], id="none"),
    ],
)
def test_a_model_that_google_names_comes_first_if_it_is_known(
    available: list[str], named: list[str], called: list[str]
) -> None:
    """Whoever answers could name anything: a model that only writes, or that costs a
    multiple. What Google lists, or the table has, makes pictures."""
    assert called_for(OLD, available, *named)[:2] == called


def test_whoever_is_named_answers_for_the_one_that_was_asked_for() -> None:
    routes = walk(gip.Choice(OLD), listed(OLD, FLASH, NB), NB, NB)
    assert [route.asked for route in routes] == [OLD] * len(routes)
    assert routes[1].replaced and routes[1].why == "successor"
    models = [route.model for route in routes]
    assert models[1] == NB and models.count(NB) == 1


def test_an_earlier_hint_is_not_forgotten() -> None:
    """The second refusal may name nobody, or the one that has just refused."""
    called = called_for(OLD, [OLD, FLASH, PRO], FLASH, PRO, FLASH)
    assert called[:3] == [OLD, FLASH, PRO]


def test_nobody_follows_when_successors_are_off() -> None:
    assert called_for(gip.Choice(OLD, follow=False), [OLD, NB], NB) == [OLD]


@pytest.mark.parametrize(
    ("sentence", "named"),
    [
        pytest.param(
            "This model models/a-image is no longer available. Please update your "
            "code to use models/gemini-3.1-flash-image.",
            FLASH,
            id="before-a-full-stop",
        ),
        pytest.param(
            "models/a is gone, use the newer models/gemini-nano-banana-2.1 instead",
            NB,
            id="in-mid-sentence",
        ),
        pytest.param(
            "This model models/a is no longer available to new users. Please update "
            "your code to use a newer model for the latest features.",
            None,
            id="names-none",
        ),
        pytest.param(
            "x has been shut down. Please use gemini-3-pro-image instead.",
            "gemini-3-pro-image",
            id="bare-id",
        ),
        pytest.param("models/x is not found for API version v1beta", None, id="404"),
        pytest.param("", None, id="empty"),
    ],
)
def test_the_model_that_a_sentence_names(sentence: str, named: str | None) -> None:
    assert gip.named_successor(sentence) == named


@given(st.text(alphabet=string.ascii_lowercase + "0123456789.-", max_size=40))
def test_the_chain_of_successors_ends(model_id: str) -> None:
    """A loop in it would hang the request of whoever chose such an id."""
    heirs = [heir.id for heir in gip.successors(model_id)]
    assert model_id not in heirs and len(heirs) == len(set(heirs))


def test_every_successor_is_a_model_that_can_be_called() -> None:
    """A row of the table that ends at an unknown id would lead into a 404."""
    current = {facts.id for facts in gip.CURRENT_MODELS}
    for pattern, _ in gip.SUCCESSORS:
        ends = [heir.id for heir in gip.successors(pattern.replace("*", "x"))]
        assert ends and ends[-1] in current, pattern


# ── The host's list ──────────────────────────────────────────────────────────────────


def test_current_models_come_first_and_in_the_tables_order() -> None:
    given_ids = ["gemini-9-image", OLD, IMAGEN_4, NB, "gemini-8-image", PRO]
    chosen = list(gip.choose_models(listed(*given_ids).values(), []))
    assert chosen == [NB, PRO, OLD, "gemini-9-image", IMAGEN_4, "gemini-8-image"]


@pytest.mark.parametrize(
    ("wanted", "chosen"),
    [
        pytest.param([], [NB, PRO, OLD], id="all"),
        pytest.param(["gemini-3*"], [PRO], id="wildcard"),
        pytest.param(["*"], [NB, PRO, OLD], id="star"),
        pytest.param(["gemini-?-pro-image"], [PRO], id="question-mark"),
        pytest.param([f"models/{PRO}"], [PRO], id="prefix"),
        pytest.param([OLD, NB], [NB, OLD], id="the-lists-order-stays"),
        pytest.param(["gemini-7-image"], ["gemini-7-image"], id="unlisted-is-added"),
        pytest.param(["gemini-7*"], [], id="unlisted-wildcard-is-not"),
        pytest.param(["x-image", "x-image"], ["x-image"], id="once"),
        pytest.param(["auto", PRO], [PRO], id="auto-stands-on-top-anyway"),
    ],
)
def test_the_list_is_narrowed_to_what_is_wanted(
    wanted: list[str], chosen: list[str]
) -> None:
    assert list(gip.choose_models(listed(PRO, OLD, NB).values(), wanted)) == chosen


@pytest.mark.parametrize("wanted", ["/", "models/:generateContent", ":"])
def test_a_pattern_without_an_id_adds_no_nameless_model(wanted: str) -> None:
    """A model with the id "" would stand in everybody's list and answer nothing."""
    assert "" not in gip.choose_models(listed(NB).values(), [wanted])


def test_an_added_model_has_a_name() -> None:
    added = gip.choose_models([], [NB, "gemini-7-image"])
    assert [m.name for m in added.values()] == ["Nano Banana 2.1", "gemini-7-image"]


def entries_of(
    models: dict[str, gip.ListedModel], retired: list[str], follow: bool = True
) -> list[gip.ListEntry]:
    return gip.model_entries(models, retired, models, follow)


def test_a_narrowed_list_still_names_who_answers() -> None:
    """The successor answers whether or not the administrator shows it."""
    available = listed(NB, FLASH, OLD)
    entries = gip.model_entries(listed(FLASH), [IMAGEN_3, OLD], available)
    assert entries[2:] == [
        gip.ListEntry(IMAGEN_3, "Nano Banana 2.1", retired=True),
        gip.ListEntry(OLD, "Nano Banana"),
    ]


def test_auto_keeps_to_the_choice_when_a_model_turns_out_to_be_gone() -> None:
    choice = gip.Choice("auto", wanted=("*lite*", FLASH))
    assert called_for(choice, [NB, LITE, FLASH])[:2] == [LITE, FLASH]


def test_what_google_did_not_list_is_not_tried_after_a_refusal() -> None:
    """Each try is a request; a list that ran empty is still a list."""
    assert called_for(OLD, [OLD]) == [OLD]


def test_auto_stands_on_top_and_retired_ones_last() -> None:
    entries = entries_of(listed(NB, PRO), [IMAGEN_3, IMAGEN_4])
    assert [e.id for e in entries] == ["auto", NB, PRO, IMAGEN_3, IMAGEN_4]
    assert entries[0].name == "Gemini Image"
    assert [e.retired for e in entries] == [False] * 3 + [True] * 2


@pytest.mark.parametrize(
    ("retired", "follow", "name"),
    [
        pytest.param(IMAGEN_3, True, "Nano Banana 2.1", id="on"),
        pytest.param(IMAGEN_3, False, "", id="off"),
        pytest.param("imagen-4.0-ultra-generate-001", True, "", id="heir-not-there"),
    ],
)
def test_a_retired_entry_says_who_answers(
    retired: str, follow: bool, name: str
) -> None:
    """The name must promise what the request then does."""
    entries = entries_of(listed(NB), [retired], follow)
    assert entries[-1] == gip.ListEntry(retired, name, retired=True)


@pytest.mark.parametrize("retired", ["", "auto", NB])
def test_what_is_listed_already_is_not_listed_as_retired(retired: str) -> None:
    """The host keeps one model per id: a second entry would rename the first."""
    entries = entries_of(listed(NB), [retired, retired])
    assert [e.id for e in entries] == ["auto", NB]


def test_models_of_one_name_can_be_told_apart() -> None:
    """Google gives an alias the display name of its model."""
    twins = [model(PRO), model("nano-banana-pro-preview", gip.display_name(PRO))]
    entries = entries_of({m.id: m for m in twins}, [])
    assert entries[1].name == "Nano Banana Pro"
    assert entries[2].name == "Nano Banana Pro (nano-banana-pro-preview)"


def test_a_model_cannot_pose_as_auto() -> None:
    entries = entries_of({"x-image": model("x-image", "Gemini Image")}, [])
    assert entries[1].name != entries[0].name


# ── Ids with a gateway's names before them ───────────────────────────────────────────


@pytest.mark.parametrize("prefix", ["gemini/", "vertex_ai/", "openrouter/google/"])
def test_what_is_known_of_a_model_is_known_with_a_prefix(prefix: str) -> None:
    """LiteLLM's commonest set-up lists "gemini/*"; Google's 500 followed a size that
    the model does not take."""
    for facts in gip.CURRENT_MODELS:
        prefixed = prefix + facts.id
        assert gip.model_facts(prefixed) is facts
        assert gip.display_name(prefixed) == facts.name
        assert gip.estimate_price(prefixed, ["1K"], 0, 0)
    fitted, notes = gip.fit_options(
        gip.ImageOptions(image_size="4K"), prefix + OLD, gip.model_facts(prefix + OLD)
    )
    assert not fitted.image_size and notes
    assert gip.is_image_model(model(prefix + NB, methods=()))


@pytest.mark.parametrize("prefix", ["gemini/", "vertex_ai/"])
def test_imagen_is_called_as_such_with_a_prefix(prefix: str) -> None:
    assert not gip.uses_generate(model(prefix + IMAGEN_4, methods=()))
    assert gip.uses_generate(model(prefix + NB, methods=()))


# Asked for, what is listed, and who is called.
WITH_PREFIXES = [
    (gip.AUTO, [f"gemini/{FLASH}", f"gemini/{NB}"], f"gemini/{NB}"),
    (gip.AUTO, [f"gemini/{NB}", "gemini/gemini-nano-banana-3"], None),
    (f"gemini/{OLD}", [f"gemini/{OLD}", f"gemini/{NB}"], f"gemini/{OLD}"),
    (f"gemini/{IMAGEN_4}", [f"gemini/{NB}", NB], f"gemini/{NB}"),
    (f"gemini/{IMAGEN_4}", [NB], NB),
    (IMAGEN_4, [f"gemini/{PRO}", f"gemini/{NB}"], f"gemini/{NB}"),
    (f"vertex_ai/{OLD}", [f"gemini/{LITE}", f"vertex_ai/{LITE}"], f"vertex_ai/{LITE}"),
    (f"gemini/{IMAGEN_4}", [], f"gemini/{NB}"),
    (f"gemini/{PRO}-preview", [f"gemini/{PRO}"], f"gemini/{PRO}"),
    (OLD, [f"gemini/{OLD}", f"gemini/{NB}"], f"gemini/{OLD}"),
    (f"gemini/{PRO}", [], f"gemini/{PRO}"),
]


def test_whoever_answers_is_called_by_the_whole_id() -> None:
    def check(asked: str, ids: list[str], called: str | None) -> None:
        route = route_to(asked, *ids)
        assert route.model == (called or ids[-1])
        assert route.asked == asked

    check_rows(WITH_PREFIXES, check)


def test_a_prefix_makes_no_other_model_of_it() -> None:
    """No note says that Google no longer offers what just answered."""
    assert not route_to(OLD, f"gemini/{OLD}").replaced
    assert route_to(f"gemini/{IMAGEN_4}", f"gemini/{NB}").replaced


def test_a_hint_of_googles_is_found_with_its_prefix() -> None:
    available = listed(f"gemini/{FLASH}", f"gemini/{PRO}")
    choice = gip.Choice(f"gemini/{FLASH}")
    routes = gip.candidates(choice, available, hints := [])
    first = next(routes).model
    del available[first]
    hints.append(PRO)
    assert [first, next(routes).model] == [f"gemini/{FLASH}", f"gemini/{PRO}"]


@pytest.mark.parametrize("typed", [NB, f"gemini/{NB}", "gemini-nano*", "gemini/*2.1"])
def test_a_wanted_model_is_found_with_its_prefix_and_shown_once(typed: str) -> None:
    available = listed(f"gemini/{PRO}", f"gemini/{NB}").values()
    assert [*gip.choose_models(available, [typed])] == [f"gemini/{NB}"]


def test_the_list_with_prefixes_has_names_and_stays_in_order() -> None:
    available = listed(f"gemini/{PRO}", f"gemini/{NB}", f"vertex_ai/{NB}", NB)
    shown = gip.choose_models(available.values(), ())
    entries = gip.model_entries(shown, [IMAGEN_3, PRO], available)
    assert [(entry.id, entry.name) for entry in entries[1:]] == [
        (f"gemini/{NB}", f"Nano Banana 2.1 (gemini/{NB})"),
        (f"vertex_ai/{NB}", f"Nano Banana 2.1 (vertex_ai/{NB})"),
        (NB, "Nano Banana 2.1"),
        (f"gemini/{PRO}", "Nano Banana Pro"),
        (IMAGEN_3, "Nano Banana 2.1"),
        (PRO, "Nano Banana Pro"),
    ]


@pytest.mark.parametrize(
    ("row", "expected"),
    [
        ({"name": f"models/{NB}", "displayName": "N B"}, (NB, "N B")),
        (
            {"id": OLD, "name": "Gemini 2.5 Flash Image"},
            (OLD, "Gemini 2.5 Flash Image"),
        ),
        ({"id": f"gemini/{OLD}", "object": "model"}, (f"gemini/{OLD}", "Nano Banana")),
        ({"id": f"models/{OLD}", "name": f"models/{OLD}"}, (OLD, "Nano Banana")),
        (
            {"id": "x", "name": "An <img src=//evil.test/x>"},
            ("x", "An img src=//evil.test/x"),
        ),
        ({"name": NB, "displayName": "<>"}, (NB, "Nano Banana 2.1")),
        ({"id": "a b c"}, None),
        ({"name": "a title of many words"}, None),
        ("x", None),
    ],
)
def test_a_row_of_a_list_has_an_id_and_a_name(
    row: object, expected: tuple[str, str] | None
) -> None:
    found = gip.read_listed_model(row)
    assert (found and (found.id, found.name)) == expected
