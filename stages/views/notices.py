"""What the texts and pictures of the settings will not do, said before the run and in the report: no word is ignored in silence."""

from __future__ import annotations

from pathlib import Path

from stages.views.clip_picture import square_notice
from stages.views.prompts import cut_prompt, every_negative, every_prompt, fitted
from stages.views.settings import ViewsSettings
from stages.views.tokens import Reader, reader_of
from stages.views.vocabulary import learnt_words, painted_texts, word_notices


def text_notices(settings: ViewsSettings, model_folder: Path) -> list[str]:
    """One sentence for each text that holds words never learnt, that is too long for the model to read, or that does nothing.

    Raises MissingError or ArtifactError for a model whose tokenizer or list of words cannot be read.
    """
    read = reader_of(settings, model_folder)
    return [
        *word_notices(painted_texts(settings), settings.model, model_folder),
        *_prompt(settings, read),
        *_negative(settings, read),
        *_made_for_small_models(settings, model_folder),
    ]


def picture_notices(settings: ViewsSettings) -> list[str]:
    """One sentence for each picture of an IP-Adapter of which much is not seen. Raises ConfigError for what is no picture."""
    pictures = settings.ip_adapter.pictures if settings.ip_adapter else ()
    return [said for picture in pictures if (said := square_notice(picture))]


def _prompt(settings: ViewsSettings, read: Reader) -> list[str]:
    """Whether the prompt loses its last words, in all views the same; whether not even its first leaves room for the words after it."""
    kept, lost = cut_prompt(settings, read.fits)
    after = dict.fromkeys(piece for text in every_prompt(settings, kept) if (tail := _tail(text, read)) for piece in tail.split(", "))
    said = []
    if lost:
        said.append(f"the prompt, with the words for ring and view, is longer than {_reads(settings, read)}; it never sees: {lost}")
    if after:
        said.append(f"the first word of the prompt, with what is put before and after it, is longer than {_reads(settings, read)}; "
                    f"it never sees: {', '.join(after)}")
    return said


def _negative(settings: ViewsSettings, read: Reader) -> list[str]:
    """Whether the negative prompt does nothing, or loses its end."""
    texts = [text for text in every_negative(settings) if text]
    if texts and settings.guidance_scale <= 1:
        return ["the negative prompt does nothing: guidance_scale is 1, which turns guidance off; a larger one lets it act"]
    lost = dict.fromkeys(tail for text in texts if (tail := _tail(text, read)))
    return [f"the negative prompt is longer than {_reads(settings, read)}; it never sees: {words}" for words in lost]


def _made_for_small_models(settings: ViewsSettings, model_folder: Path) -> list[str]:
    """Whether a model that does not come with a list of its words, as the project's own do, is painted with as those are."""
    if learnt_words(model_folder) is not None or (settings.lead == 0 and settings.temperature == 1):
        return []
    return [f"views.lead {settings.lead:g} and views.temperature {settings.temperature:g} are for the project's own small models, and "
            f"'{settings.model}' does not look like one; `lead: 0` and `temperature: 1` leave a model as it was trained (profile sd15 sets both)"]


def _tail(text: str, read: Reader) -> str:
    """The words at the end of ``text`` that the model does not read, or reads in part; empty if it reads all."""
    return "" if read.fits(text) else fitted(text, str, read.fits)[1] or text


def _reads(settings: ViewsSettings, read: Reader) -> str:
    return f"the {read.room} tokens that the model '{settings.model}' reads"
