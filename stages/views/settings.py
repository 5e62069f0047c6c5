"""Settings of the views stage."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, DirectoryPath, Field, FilePath, create_model, model_validator

from pipeline.stage import not_blank


class ViewSuffix(BaseModel):
    """Words added to the prompt by the direction from which a frame looks; sectors of 45 degrees, the same on both sides."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    front: str = Field("front view", max_length=200, description="Within 22.5 degrees of the face.")
    angle_front: str = Field("angle-front view", max_length=200, description="Around 45 degrees.")
    side: str = Field("side view", max_length=200, description="Around 90 degrees.")
    angle_back: str = Field("angle-back view", max_length=200, description="Around 135 degrees.")
    back: str = Field("back view", max_length=200, description="Within 22.5 degrees of the back.")


NegativeSuffix = create_model(  # the same directions, silent by default
    "NegativeSuffix",
    __base__=ViewSuffix,
    __doc__="Words added to the negative prompt by the direction from which a frame looks, such as a face for the back.",
    **{name: (str, Field("", max_length=200, description=field.description)) for name, field in ViewSuffix.model_fields.items()},
)


class RingSuffix(BaseModel):
    """Words added to the prompt by the ring that a frame belongs to."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    body: str = Field("full body", max_length=200, description="Round the whole figure.")
    head: str = Field("close-up", max_length=200, description="Close to the head.")


class ControlNetSettings(BaseModel):
    """One ControlNet and the pictures that it is fed."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    model: str = Field(min_length=1, description="Name in `models.toml`, `embedded/<part>`, a checkpoint that `models convert` took in, or a folder in diffusers' layout.")
    kind: Literal["openpose", "depth", "normal", "lineart", "softedge", "canny", "parts", "albedo", "mask"] = Field(
        description="Kind of condition picture; conditions must render it."
    )
    scale: float = Field(1.0, ge=0, le=4, description="Weight of this ControlNet's residuals.")
    start: float = Field(0.0, ge=0, le=1, description="Share of the steps after which it sets in.")
    end: float = Field(1.0, ge=0, le=1, description="Share of the steps after which it is silent.")

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.start > self.end:
            raise ValueError(f"start {self.start} lies behind end {self.end}")
        return self


def _weights(path: Path) -> Path:
    """Weights come as safetensors alone: other formats may hold programs."""
    if path.suffix.lower() != ".safetensors":
        raise ValueError(f"expected a .safetensors file, got {path.name}")
    return path


WeightsFile = Annotated[FilePath, AfterValidator(_weights)]


class LoraSettings(BaseModel):
    """A LoRA and how much of it is added."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    file: WeightsFile = Field(description="A .safetensors file with kohya's or diffusers' names, for the model that is painted with.")
    weight: float = Field(1.0, ge=-4, le=4, description="What it is multiplied by.")


class EmbeddingSettings(BaseModel):
    """A textual inversion: a word that a file gives a meaning."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    file: WeightsFile = Field(description="A .safetensors file of A1111's or diffusers' kind, for the text model that is painted with.")
    word: str | None = Field(None, min_length=1, max_length=100, description="What it is called in the prompts; null takes the file's name.")

    @model_validator(mode="before")
    @classmethod
    def _called(cls, values: Any) -> Any:
        """A file enters a stage's key by its contents; the word that its name stands for has to be said."""
        if isinstance(values, dict) and values.get("word") is None and isinstance(values.get("file"), str | Path):
            return values | {"word": Path(values["file"]).stem[:100]}
        return values

    @property
    def called(self) -> str:
        """What it is called in a prompt, lower case."""
        return str(self.word).lower()


class FreeUSettings(BaseModel):
    """FreeU (Si et al. 2024): the UNet's decoding half leans on its backbone (b above 1) and less on its skips (s below 1)."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    b1: float = Field(1.5, ge=0, le=3, description="Backbone, first decoding level.")
    b2: float = Field(1.6, ge=0, le=3, description="Backbone, second decoding level.")
    s1: float = Field(0.9, ge=0, le=3, description="Skips, first decoding level.")
    s2: float = Field(0.2, ge=0, le=3, description="Skips, second decoding level.")


class ReferenceSettings(BaseModel):
    """A picture of the character as it looks from one side."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    file: FilePath = Field(description="The picture. Best drawn over the condition picture of that view; other shapes are scaled to fit.")
    ring: Literal["body", "head"] = Field("body", description="body: the whole figure; head: a close-up.")
    azimuth_deg: float = Field(0.0, ge=0, lt=360, description="From where it looks, as the report's views are named: 0 front, 90 the figure's left side.")


class IPAdapterSettings(BaseModel):
    """Pictures that every frame looks at, for style and looks (IP-Adapter, Ye et al. 2023)."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    file: WeightsFile | Literal["ip_adapter_sd15", "ip_adapter_plus_sd15"] = Field(
        description="An IP-Adapter for Stable Diffusion 1 as its authors publish them, plain or Plus: a name in `models.toml`, or a .safetensors file."
    )
    image_encoder: str = Field(
        "ip_adapter_image_encoder", min_length=1,
        description="The image model of CLIP that it was made for: a name in `models.toml`, or a folder in transformers' layout.",
    )
    image: FilePath | Annotated[tuple[FilePath, ...], Field(min_length=1)] = Field(
        description="A picture, or a list of them. The square in its middle is seen; white where it is transparent."
    )
    scale: float = Field(0.5, ge=0, le=4, description="Weight of the pictures beside the prompt; its authors use 0.5 beside words, 1 without.")
    start: float = Field(0.0, ge=0, le=1, description="Share of the steps after which they set in.")
    end: float = Field(1.0, ge=0, le=1, description="Share of the steps after which they are not looked at.")

    @property
    def pictures(self) -> tuple[Path, ...]:
        """All of them."""
        return (self.image,) if isinstance(self.image, Path) else self.image

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.start > self.end:
            raise ValueError(f"start {self.start} lies behind end {self.end}")
        return self


class HiresSettings(BaseModel):
    """A second pass at a higher resolution: the views are enlarged, drowned in noise in part, and painted once more."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    scale: float = Field(1.5, gt=1, le=4, description="How much larger the views get, each way; rounded to what the model needs.")
    strength: float = Field(
        0.3, gt=0, le=1,
        description="Share of the steps that are taken again: little keeps the first pass as it is, 1 keeps nothing of it. The embedded model, "
        "which learnt at one size, spoils faces from 0.4 on.",
    )
    steps: int | None = Field(None, ge=1, le=1000, description="Steps of the whole denoising that `strength` is a share of; null is as many as in the first pass.")


class ViewsSettings(BaseModel):
    """How the pictures of the character are painted, or where finished ones lie."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    source: Literal["diffusion", "images"] = Field(
        "diffusion", description="`diffusion` paints the views; `images` takes the finished pictures in `folder`."
    )
    folder: DirectoryPath | None = Field(
        None,
        description="With `source: images`: a folder with transforms.json, or transforms_{train,val,test}.json, and the pictures.",
    )
    prompt: Annotated[str, AfterValidator(not_blank)] = Field("1girl", min_length=1, max_length=2000, description="What the character looks like (the run's prompt). `(word:1.3)`, `(word)` and `[word]` weigh words; a bracket that is meant is written `\\(`.")
    negative_prompt: str = Field("", max_length=2000, description="What must not appear (the run's negative prompt).")
    seed: int = Field(0, ge=0, lt=2**31, description="The noise of a frame follows from it, its ring and its index alone.")

    model: str = Field(
        "embedded", min_length=1,
        description="Stable Diffusion model: a name in `models.toml`, `embedded`, a checkpoint that `models convert` took in, or a folder in diffusers' layout."
    )
    vae: str | None = Field(
        None, min_length=1,
        description="A VAE in place of the model's own: a name in `models.toml`, one that `models convert` took in, or a folder in diffusers' layout.",
    )
    controlnets: tuple[ControlNetSettings, ...] = Field(
        (ControlNetSettings(model="embedded/controlnet-parts", kind="parts"),), description="ControlNets; their residuals add up."
    )
    loras: tuple[LoraSettings, ...] = Field((), description="LoRAs that are added to the model's UNet and text model.")
    embeddings: tuple[EmbeddingSettings, ...] = Field((), description="Textual inversions; their words may stand in the prompt and in the negative prompt.")
    ip_adapter: IPAdapterSettings | None = Field(None, description="An IP-Adapter: pictures that every frame looks at; null is none.")
    freeu: FreeUSettings | None = Field(None, description="FreeU; null is off.")
    residual_decay: float = Field(
        1.0, gt=0, le=1, description="Residual i of n is weighted with decay^(n-1-i): below 1, fine levels are left freer."
    )
    scheduler: Literal["dpmpp_2m_karras", "unipc", "ddim"] = Field("dpmpp_2m_karras", description="Solver of the denoising.")
    steps: int = Field(20, ge=1, le=1000, description="Denoising steps.")
    guidance_scale: float = Field(
        2.5, ge=1, le=50, description="Weight of the prompt against the negative prompt (classifier-free guidance); 1 turns guidance off."
    )
    window: Literal["causal", "joint", "keyframes", "anchors", "full", "none"] = Field(
        "causal",
        description="Frames that a frame's self-attention sees: `causal` the first, the previous and itself; `joint` these as one picture, "
        "which takes three evaluations of the network; `keyframes` every root of n frames one that sees all of its kind, those between see the two "
        "beside them; `anchors` front, back and sides come first, and the others see the front, the two beside them and themselves; `full` "
        "all (memory grows with the views); `none` only itself.",
    )
    lead: float = Field(
        0.5, ge=0, le=1,
        description="Share of the steps by which the first frame is ahead of the rest, so that it decides what the words leave open and "
        "the others find it decided. At 0 all frames are equally noisy, as models want that were not trained for it.",
    )
    temperature: float = Field(
        0.94, ge=0.5, le=1,
        description="What the noise that each step leaves is multiplied by. Below 1 pictures are calmer, nearer to what the model holds most "
        "likely, which small models need; at 1 the solver is left as it is.",
    )
    surface_sync: float = Field(
        0.0, ge=0, le=1,
        description="Share of the steps, from the start, in which the clean pictures that the frames amount to are averaged where they see "
        "the same point of the body. Clothes that the words leave open agree better; eyes get softer.",
    )
    correspondence: float = Field(
        0.0, ge=0, le=10,
        description="Attention looks exp(this) times as much at what shows the same point of the body in the frames of its window; 0 leaves it as it "
        "is. In layers of up to 1024 tokens a frame; not with `none` and `joint`.",
    )
    reference: FilePath | None = Field(
        None,
        description="A picture of the character's front: it is the first frame, as it is, and all others look at it. Best drawn over the "
        "first condition picture; other shapes are scaled to fit. White, or transparent, where nothing is.",
    )
    references: tuple[ReferenceSettings, ...] = Field(
        (), description="Further pictures of the character, from other sides: each stands for the nearest view of its ring, as `reference` does for the front."
    )
    keep: DirectoryPath | None = Field(
        None,
        description="With `redo`: the views of an earlier run (a copy of its `stages/views`) that stay as they are, but for those named there.",
    )
    redo: tuple[str, ...] = Field((), description="Views to paint again, with this `seed`, by name (`body_07`); they look at those that stay.")
    hires: HiresSettings | None = Field(None, description="A second pass at a higher resolution; null is off.")
    controlnet_window: bool = Field(False, description="The ControlNets' self-attention sees the window too.")
    shared_noise: float = Field(
        0.0, ge=0, le=1, description="Share (of the variance) of the starting noise that all frames have in common."
    )

    prompt_prefix: str = Field("", max_length=500, description="Put before every prompt.")
    prompt_suffix: ViewSuffix = Field(ViewSuffix(), description="Words added by the direction from which a frame looks.")
    negative_suffix: NegativeSuffix = Field(NegativeSuffix(), description="Words added to the negative prompt by the direction from which a frame looks.")
    ring_suffix: RingSuffix = Field(RingSuffix(), description="Words added by ring.")
    prompt_blocks: int = Field(
        1, ge=1, le=8,
        description="Blocks of tokens (75 words or parts of words in Stable Diffusion) that a text may fill; what is longer is named and left "
        "out. The embedded model learnt with one.",
    )
    clip_skip: int = Field(0, ge=0, le=8, description="Layers of the text model left out at its end.")

    dtype: Literal["auto", "float32", "bfloat16", "float16"] = Field(
        "auto", description="Number format of the networks; `auto` is float32 on a CPU and float16 on a GPU."
    )
    chunk: int = Field(
        0, ge=0, le=1000, json_schema_extra={"in_key": False},
        description="Frames that go through the network at once; sets the memory, not the result. 0 takes 4 on a CPU and 8 on a GPU, or as many "
        "as the free memory holds. Halved when the memory runs out.",
    )

    @model_validator(mode="after")
    def _whole(self) -> Self:
        if self.source == "images" and self.folder is None:
            raise ValueError("source: images needs a folder with pictures and cameras")
        if self.source == "diffusion" and self.folder is not None:
            raise ValueError("a folder is given, but source is diffusion; write source: images")
        if (self.keep is None) != (not self.redo):
            raise ValueError("keep and redo belong together: the folder of the views that stay, and the names of those to be painted again")
        if self.keep is not None and (self.reference is not None or self.references):
            raise ValueError("a reference has no place beside keep, where every view but those in redo is given")
        given = self.reference is not None or bool(self.references) or self.keep is not None
        if self.source == "images" and given:
            raise ValueError("a reference or keep is given, but source is images, and nothing is painted; write source: diffusion")
        if self.scheduler == "unipc" and self.temperature != 1:
            raise ValueError("unipc corrects each step afterwards and so undoes a temperature below 1; write temperature: 1, or another scheduler")
        called = [embedding.called for embedding in self.embeddings]
        if twice := [word for word in dict.fromkeys(called) if called.count(word) > 1]:
            raise ValueError(f"two embeddings are called {twice[0]!r}; give one of them another name with `word`")
        if given and self.window == "none":
            raise ValueError("with window: none no frame looks at the reference or at what is kept; write window: causal")
        if self.correspondence > 0 and self.window in ("none", "joint"):
            raise ValueError(f"with window: {self.window} there are no tokens of other frames to tell apart; write correspondence: 0, or window: causal")
        return self
