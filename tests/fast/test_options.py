"""Room 2: what a request's parameters ask for, and what the model takes of it."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import gemini_image_pipe as gip

NB = "gemini-nano-banana-2.1"
PRO = "gemini-3-pro-image"
OLD = "gemini-2.5-flash-image"
NOTHING = gip.ImageOptions()
HUGE = 10**5000  # longer than Python turns into text


@pytest.mark.parametrize(
    ("body", "options"),
    [
        pytest.param({}, NOTHING, id="nothing"),
        pytest.param(
            {"aspect_ratio": "16:9"}, gip.ImageOptions(aspect_ratio="16:9"), id="ratio"
        ),
        pytest.param(
            {"aspect_ratio": " 16 : 9 "},
            gip.ImageOptions(aspect_ratio="16:9"),
            id="ratio-with-blanks",
        ),
        pytest.param(
            {"aspect_ratio": "16/9"}, gip.ImageOptions(aspect_ratio="16:9"), id="slash"
        ),
        pytest.param(
            {"aspect_ratio": "5:3"}, gip.ImageOptions(aspect_ratio="5:3"), id="as-typed"
        ),
        pytest.param(
            {"size": "1024x1536"}, gip.ImageOptions(aspect_ratio="2:3"), id="pixels"
        ),
        pytest.param(
            {"size": "1792×1024"}, gip.ImageOptions(aspect_ratio="16:9"), id="times"
        ),
        pytest.param(
            {"size": "512X512"}, gip.ImageOptions(aspect_ratio="1:1"), id="capital-x"
        ),
        pytest.param(
            {"size": "1024x1536", "aspect_ratio": "4:3"},
            gip.ImageOptions(aspect_ratio="4:3"),
            id="ratio-before-pixels",
        ),
        pytest.param(
            {"size": "1024x1536", "aspect_ratio": "wide"},
            gip.ImageOptions(aspect_ratio="2:3"),
            id="pixels-after-nonsense",
        ),
        pytest.param(
            {"image_size": "2K"}, gip.ImageOptions(image_size="2K"), id="size"
        ),
        pytest.param(
            {"image_size": "4k "}, gip.ImageOptions(image_size="4K"), id="small-k"
        ),
        pytest.param(
            {"image_size": 512}, gip.ImageOptions(image_size="512"), id="size-number"
        ),
        pytest.param({"n": 3}, gip.ImageOptions(count=3), id="n"),
        pytest.param({"n": "2"}, gip.ImageOptions(count=2), id="n-as-text"),
        pytest.param({"n": 2.0}, gip.ImageOptions(count=2), id="n-as-json-float"),
        pytest.param({"n": 99}, gip.ImageOptions(count=4), id="n-at-most-four"),
    ],
)
def test_parameters_are_read(body: dict[str, Any], options: gip.ImageOptions) -> None:
    """Presets and API clients send these; each is easy to lose silently."""
    assert gip.options_from_body(body) == options


@pytest.mark.parametrize("name", ["aspect_ratio", "size", "image_size", "n"])
@pytest.mark.parametrize(
    "value",
    [
        pytest.param(None, id="none"),
        pytest.param("", id="empty"),
        pytest.param("auto", id="auto"),
        pytest.param("default", id="default"),
        pytest.param("nonsense", id="nonsense"),
        pytest.param("8K", id="no-such-size"),
        pytest.param("0x0", id="no-pixels"),
        pytest.param("1024x", id="half-pixels"),
        pytest.param("1:", id="half-ratio"),
        pytest.param("-16:9", id="negative-ratio"),
        pytest.param(-5, id="negative"),
        pytest.param(0, id="zero"),
        pytest.param(float("nan"), id="nan"),
        pytest.param(float("inf"), id="infinite"),
        pytest.param([], id="list"),
        pytest.param({"a": 1}, id="dict"),
        pytest.param(True, id="true"),
        pytest.param("1" * 5000 + "x" + "1" * 5000, id="long-text"),
        pytest.param(-HUGE, id="huge-number"),
    ],
)
def test_what_cannot_be_read_is_left_out(name: str, value: Any) -> None:
    """A parameter that nobody understands must not cost the picture."""
    assert gip.options_from_body({name: value}) == NOTHING


def test_parameters_of_other_apis_do_not_matter() -> None:
    """Chat clients send a dozen of them; Google refuses each by name."""
    body = {"temperature": 1, "seed": 7, "max_tokens": 9, "logit_bias": {}, "user": "u"}
    assert gip.options_from_body(body) == NOTHING


@given(
    st.dictionaries(
        st.sampled_from(["aspect_ratio", "size", "image_size", "n"]),
        st.one_of(
            st.none(),
            st.integers(),
            st.floats(),
            st.text(max_size=8),
            st.text("0123456789.:/xX ", max_size=12),
        ),
    )
)
def test_any_parameter_gives_options_that_fit_every_model(body: dict[str, Any]) -> None:
    """Whatever is sent: no exception, a bounded count, and only what a model takes."""
    options = gip.options_from_body(body)
    assert 1 <= options.count <= 4
    for facts in gip.CURRENT_MODELS:
        fitted = gip.fit_options(options, gip.Route(facts.id, facts.id))
        assert fitted.aspect_ratio in (None, *facts.ratios)
        assert fitted.image_size in (None, *facts.sizes)
        assert fitted.thinking_level in (None, *facts.thinking_levels)


# ── Shapes ───────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("shape", "allowed", "nearest"),
    [
        pytest.param(5 / 3, gip.RATIOS_14, "16:9", id="5:3"),
        pytest.param(3 / 5, gip.RATIOS_14, "9:16", id="3:5"),
        pytest.param(1.0, gip.RATIOS_14, "1:1", id="square"),
        pytest.param(100.0, gip.RATIOS_14, "8:1", id="panorama"),
        pytest.param(0.01, gip.RATIOS_14, "1:8", id="ribbon"),
        pytest.param(100.0, gip.RATIOS_10, "21:9", id="panorama-of-ten"),
        pytest.param(21 / 9, gip.IMAGEN_RATIOS, "16:9", id="imagen-wide"),
        pytest.param(2 / 3, gip.IMAGEN_RATIOS, "3:4", id="imagen-tall"),
    ],
)
def test_the_nearest_shape(
    shape: float, allowed: tuple[str, ...], nearest: str
) -> None:
    assert gip.nearest_ratio(shape, allowed) == nearest


@pytest.mark.parametrize("ratio", gip.RATIOS_14)
def test_an_allowed_shape_is_its_own_nearest(ratio: str) -> None:
    assert gip.nearest_ratio(gip.ratio_value(ratio)) == ratio


@given(st.floats(min_value=0.05, max_value=20))
def test_a_shape_turned_on_its_side_gets_the_turned_ratio(shape: float) -> None:
    """Landscape and portrait of one picture must not end in different shapes."""
    allowed = [r for r in gip.RATIOS_14 if r != "21:9"]  # the only one without a twin
    nearest = gip.nearest_ratio(shape, allowed)
    turned = gip.nearest_ratio(1 / shape, allowed)
    width, height = turned.split(":")
    by_shape = {gip.ratio_value(nearest), gip.ratio_value(f"{height}:{width}")}
    middle = shape / (min(by_shape) * max(by_shape)) ** 0.5
    assert len(by_shape) == 1 or abs(middle - 1) < 1e-6  # either, half-way between


@pytest.mark.parametrize("ratio", ["0:0", "5:0", "0:5", "0.0:1", "1:0.0"])
def test_a_ratio_without_width_or_height_is_no_accident(ratio: str) -> None:
    """A division by zero here would end the chat with a traceback."""
    options = gip.fit_options(
        gip.options_from_body({"aspect_ratio": ratio}), gip.Route(NB, NB)
    )
    assert options.aspect_ratio in (None, *gip.RATIOS_14)


# ── What the model takes ─────────────────────────────────────────────────────────────


def fitted(
    model_id: str, generate: bool = True, level: str | None = None, **wish: Any
) -> gip.ImageOptions:
    route = gip.Route(model_id, model_id, generate, level)
    return gip.fit_options(gip.ImageOptions(**wish), route)


@pytest.mark.parametrize(
    ("model_id", "ratio", "sent"),
    [
        pytest.param(NB, "4:1", "4:1", id="known-by-the-model"),
        pytest.param(PRO, "4:1", "21:9", id="nearest-of-ten"),
        pytest.param(OLD, "1:8", "9:16", id="nearest-of-ten-tall"),
        pytest.param(NB, "32:18", "16:9", id="same-shape"),
        pytest.param(NB, "1.91:1", "16:9", id="decimal"),
        pytest.param(NB, None, None, id="none-stays-out"),
        pytest.param("gemini-9-image", "7:5", "7:5", id="unknown-model-as-typed"),
    ],
)
def test_a_ratio_that_the_model_lacks_becomes_its_nearest(
    model_id: str, ratio: str | None, sent: str | None
) -> None:
    assert fitted(model_id, aspect_ratio=ratio).aspect_ratio == sent


@pytest.mark.parametrize(
    ("model_id", "size", "sent"),
    [
        pytest.param(NB, "4K", "4K", id="has-it"),
        pytest.param(NB, "512", None, id="2.1-has-no-512"),
        pytest.param("gemini-3.1-flash-image", "512", "512", id="3.1-has-512"),
        pytest.param(OLD, "1K", None, id="2.5-takes-none"),
        pytest.param("gemini-3.1-flash-lite-image", "4K", None, id="lite-is-1K-only"),
        pytest.param("gemini-9-image", "4K", "4K", id="unknown-model-as-typed"),
    ],
)
def test_a_size_that_the_model_lacks_is_left_out(
    model_id: str, size: str, sent: str | None
) -> None:
    """2.5 answers any size with an internal error, others with a refusal."""
    assert fitted(model_id, image_size=size).image_size == sent


@pytest.mark.parametrize(
    ("model_id", "chosen", "route_level", "sent"),
    [
        pytest.param(NB, None, "HIGH", "HIGH", id="of-the-route"),
        pytest.param(NB, "MINIMAL", "HIGH", "MINIMAL", id="chosen-before-route"),
        pytest.param("gemini-3.1-flash-image", "MEDIUM", None, None, id="lacks-it"),
        pytest.param(PRO, "HIGH", None, None, id="not-documented-for-pro"),
        pytest.param(OLD, None, "HIGH", None, id="2.5-refuses-any"),
    ],
)
def test_a_thinking_level_only_where_the_model_has_it(
    model_id: str, chosen: str | None, route_level: str | None, sent: str | None
) -> None:
    options = fitted(model_id, level=route_level, thinking_level=chosen)
    assert options.thinking_level == sent


def test_imagen_gets_one_of_its_own_ratios_and_the_count() -> None:
    """Ratio and count carry over, whichever way the picture is asked for."""
    options = fitted("imagen-9", generate=False, aspect_ratio="21:9", count=3)
    assert (options.aspect_ratio, options.count) == ("16:9", 3)
    assert fitted(NB, aspect_ratio="16:9", count=3).count == 3
