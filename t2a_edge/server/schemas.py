"""What the server is sent and what it answers; OpenAPI is made of these."""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from t2a_edge.checks import MAX_GUIDANCE, MAX_STEPS, MAX_TEMPERATURE
from t2a_edge.seeds import MAX_SEED


def whole(value: Any) -> Any:
    """7.0 as 7: JSON has one kind of number, and JSON Schema calls both whole."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


# The limits of a number stand before WHOLE, inside "or none": elsewhere the document loses them.
WHOLE = BeforeValidator(whole)
Words = Annotated[str, Field(min_length=1, examples=["warm dark:1.4 -busy"])]
Seed = Annotated[
    Annotated[int, Field(ge=0, le=MAX_SEED), WHOLE] | None,
    Field(description="Same seed, same picture; null is fresh."),
]
Guidance = Annotated[float, Field(ge=0, le=MAX_GUIDANCE, allow_inf_nan=False)] | None
Temperature = Annotated[float, Field(ge=0, le=MAX_TEMPERATURE, allow_inf_nan=False)] | None
Steps = Annotated[
    Annotated[int, Field(ge=1, le=MAX_STEPS), WHOLE] | None,
    Field(description="From noise to the picture; null is the model's number."),
]
Form = Annotated[
    Annotated[str, Field(min_length=1)] | None,
    Field(
        description="A PNG, JPEG or WebP in base64 whose composition is painted anew; null lets "
        "the words choose a form."
    ),
]
Strength = Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)] | None
Side = Annotated[int, Field(ge=1), WHOLE]  # what the model and the server allow is checked later


class Asked(BaseModel):
    """A body: unknown keys and values of another type are refused."""

    model_config = ConfigDict(extra="forbid", strict=True)


class Sampling(Asked):
    """How, in which form, and from which seed."""

    seed: Seed = None
    guidance_scale: Guidance = None
    temperature: Temperature = None
    steps: Steps = None
    form: Form = None
    form_strength: Strength = None


class PictureAsked(Sampling):
    """One picture's words."""

    prompt: Words
    blend: Words | None = None
    amount: Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)] = 0.5


class GenerateAsked(PictureAsked):
    """Pictures of one prompt, from consecutive seeds."""

    count: Annotated[int, Field(ge=1, description="More than 1 needs the format json."), WHOLE] = 1
    size: Annotated[list[Side], Field(min_length=2, max_length=2)] | None = Field(
        None, description="Width and height in pixels."
    )
    format: Literal["png", "webp", "json"] = "png"


class InterpolateAsked(Sampling):
    """A way from one prompt to another."""

    first: Words
    second: Words
    frames: Annotated[int, Field(ge=2), WHOLE] = 8
    frame_ms: Annotated[int, Field(ge=20, le=10_000), WHOLE] = 120
    format: Literal["webp", "json"] = "webp"


class ExplainAsked(Asked):
    """Words to explain."""

    prompt: Words


class Picture(BaseModel):
    """A picture and how it was made."""

    image: str = Field(description="PNG, base64.")
    prompt: str
    blend: str | None
    amount: float | None
    seed: int | None
    width: int
    height: int
    guidance_scale: float
    temperature: float
    steps: int
    form_strength: float
    recipe: str = Field(description="The picture's codes as text; t2a-edge decodes them.")
    unknown_words: list[str] = Field(description="Words that training did not use.")


class Pictures(BaseModel):
    """The answer where JSON is asked for."""

    images: list[Picture]


class Near(BaseModel):
    """A known adjective nearby."""

    word: str
    cosine: float


class Axis(BaseModel):
    """A visual axis that a word moves."""

    axis: str
    pole: str
    strength: float


class Word(BaseModel):
    """What a word means to the model."""

    word: str
    weight: float
    known: bool
    nearest: list[Near]
    axes: list[Axis]


class Explained(BaseModel):
    """The words of a prompt."""

    words: list[Word]


class Limits(BaseModel):
    """What a request may ask for."""

    count: int
    frames: int
    size: int
    prompt_characters: int
    words: int
    body_bytes: int
    deadline_s: float
    batch: int
    queue: int


class Info(BaseModel):
    """The server and its model."""

    version: str
    bundle: str
    provider: str
    image_size: int
    guidance_scale: float
    temperature: float
    steps: int
    form_strength: float
    vocabulary: int
    limits: Limits


class State(BaseModel):
    """One word about the server."""

    state: str


class Problem(BaseModel):
    """Every answer from 400 up: a problem of RFC 9457."""

    type: Literal["about:blank"]
    title: str = Field(description="The status in words.")
    status: int = Field(ge=400, le=599)
    detail: str = Field(description="One sentence: what was got, what was expected, what to do.")
    request_id: str | None = Field(None, description="As in X-Request-ID; the log has it too.")


class Preview(Picture):
    """An event of a stream: the picture after a step."""

    step: int = Field(description="From 1 up.")
    of: int = Field(description="How many steps there are.")
