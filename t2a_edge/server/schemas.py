"""What the server is sent and what it answers; OpenAPI is made of these."""

from collections.abc import Callable
from typing import Annotated, Any, Literal, TypeVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, WithJsonSchema, create_model

from t2a_edge.kinds import whole
from t2a_edge.request import (
    HOW,
    MARGINS,
    OPTIONS,
    ROOM,
    SAMPLING,
    SEEDS,
    WAY,
    WORDS,
    Request,
)

# The limits of a number stand before WHOLE, inside "or none": elsewhere the document loses them.
WHOLE = BeforeValidator(whole)
Words = Annotated[str, Field(min_length=1, examples=["warm dark:1.4 -busy"])]
Model = TypeVar("Model", bound=BaseModel)
Format = Annotated[
    Literal["png", "webp", "jpeg", "avif", "json"],
    Field(description="Of the answer; AVIF where the server's Pillow has it."),
]
File = Annotated[str, Field(min_length=1, json_schema_extra={"contentEncoding": "base64"})]


def keys_of_request(
    *names: str, required: tuple[str, ...] = ()
) -> Callable[[type[Model]], type[Model]]:
    """Keys of a body for fields of `t2a_edge.request.Request`, which checks their values."""

    def decorate(body: type[Model]) -> type[Model]:
        keys: dict[str, Any] = {}
        for name in names:
            option = OPTIONS[name]
            schema = WithJsonSchema(option.schema(required=name in required))
            keys[name] = Annotated[Any, schema], ... if name in required else option.default
        return create_model(body.__name__, __base__=body, __doc__=body.__doc__, **keys)

    return decorate


def sampling_of_picture(body: type[Model]) -> type[Model]:
    """Keys of an answer for the options that a picture was drawn with, or a model has."""
    kinds = {name: WithJsonSchema(OPTIONS[name].kind.schema()) for name in SAMPLING}
    keys: dict[str, Any] = {name: (Annotated[Any, own], ...) for name, own in kinds.items()}
    return create_model(body.__name__, __base__=body, __doc__=body.__doc__, **keys)


class Asked(BaseModel):
    """A body: unknown keys and values of another type are refused."""

    model_config = ConfigDict(extra="forbid", strict=True)

    def request(self, **more: Any) -> Request:
        """What is asked for, checked; `more` goes over what was sent."""
        sent = {name: getattr(self, name) for name in self.model_fields_set & self.asked()}
        return Request.from_json({**sent, **more})

    def asked(self) -> set[str]:
        """Its keys that are a request's."""
        return {name for name in OPTIONS if name in type(self).model_fields} - {"format"}


@keys_of_request(*WORDS, "seed", *WAY, *HOW, required=("prompt",))
class PictureAsked(Asked):
    """One picture."""


@keys_of_request(*WORDS, *SEEDS, *WAY, *ROOM, *HOW, required=("prompt",))
class GenerateAsked(Asked):
    """Pictures of one prompt; more than one need the format json."""

    format: Format = "png"


class PictureSent(Asked):
    """A picture that t2a-edge wrote: its file, or its recipe alone, which knows no words."""

    picture: Annotated[
        File | None, Field(description="The file, in base64: a PNG, WebP, JPEG or AVIF.")
    ] = None
    recipe: Annotated[str, Field(min_length=1)] | None = None
    format: Format = "png"


class DecodeAsked(PictureSent):
    """A recipe to draw again."""


class ChangeAsked(PictureSent):
    """A change of a picture; what is left out is as it was there."""

    def values(self) -> dict[str, Any]:
        """What a request is to be made with, each checked."""
        names = self.model_fields_set & (self.asked() - {"picture", "mask"})
        return {name: OPTIONS[name].from_json(getattr(self, name)) for name in names}


@keys_of_request(*WORDS, *SEEDS, *HOW, "strength")
class VaryAsked(ChangeAsked):
    """A variation."""


@keys_of_request(*WORDS, *SEEDS, *HOW, "feather")
class InpaintAsked(ChangeAsked):
    """A part drawn anew."""

    mask: Annotated[
        File, Field(description="A picture of the same size, white where it is drawn anew.")
    ]


@keys_of_request(*WORDS, *SEEDS, *HOW, *MARGINS)
class OutpaintAsked(ChangeAsked):
    """Room around a picture."""


class MeasureAsked(Asked):
    """Any picture."""

    picture: Annotated[File, Field(description="The file, in base64: a PNG, JPEG or WebP.")]


class Measured(BaseModel):
    """How strongly a picture shows each visual attribute."""

    scores: dict[str, float] = Field(
        description="Of an axis from -1 to 1, whose sign is its pole; of hues and forms from 0."
    )


@keys_of_request("seed", *WAY, *HOW)
class InterpolateAsked(Asked):
    """A way from one prompt to another, from one seed to another, or both at once."""

    first: Words
    second: Words | None = None
    frames: Annotated[Any, WithJsonSchema(OPTIONS["frames"].schema(required=True))] = 8
    frame_ms: Annotated[int, Field(ge=20, le=10_000), WHOLE] = 120
    format: Literal["webp", "json"] = "webp"

    def request(self, **more: Any) -> Request:
        """What is asked for, checked."""
        option = OPTIONS["frames"]
        frames = option.kind.from_json(option.called, self.frames)  # null is none of them
        return super().request(prompt=self.first, blend=self.second, frames=frames, **more)


class ExplainAsked(Asked):
    """Words to explain."""

    prompt: Words


@sampling_of_picture
class Picture(BaseModel):
    """A picture and how it was made."""

    image: str = Field(description="PNG, base64.")
    prompt: str
    blend: str | None
    amount: float | None
    seed: int | None
    to_seed: int | None
    width: int
    height: int
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
    upload_bytes: int
    deadline_s: float
    batch: int
    queue: int


@sampling_of_picture
class Info(BaseModel):
    """The server and its model."""

    version: str
    bundle: str
    provider: str
    image_size: int
    vocabulary: int
    formats: list[str] = Field(description="Of pictures that are answered.")
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
