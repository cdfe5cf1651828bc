"""SmolLM2-135M-Instruct (Allal et al. 2025): a causal language model of 30 layers, English, weights in 4 bits.

Reading the GGUF file takes most of a minute; the ordinary checkpoint that is made of it here, once, takes a second.
"""

from pathlib import Path

from helpers.data import DataError, fetch
from helpers.data.converted import converted


def checkpoint() -> Path:
    """A folder for `AutoModelForCausalLM.from_pretrained` and `AutoTokenizer.from_pretrained`; made once."""
    folder = fetch("smollm2-135m")
    (file,) = folder.glob("*.gguf")
    return converted(folder, "checkpoint", lambda into: convert(file, into))


def convert(file: Path, into: Path) -> None:
    """Write the model and the tokenizer of a GGUF `file` into the folder `into`, weights in bfloat16.

    Raises DataError when `transformers` cannot read the file.
    """
    import torch
    import transformers
    from transformers import AutoModelForCausalLM, AutoTokenizer

    # Newer versions keep the weights packed unless told not to; older ones always unpack them.
    unpack = (
        {"quantization_config": transformers.GgufConfig(dequantize=True)} if hasattr(transformers, "GgufConfig") else {}
    )
    try:
        model = AutoModelForCausalLM.from_pretrained(file.parent, gguf_file=file.name, dtype=torch.bfloat16, **unpack)
        tokenizer = AutoTokenizer.from_pretrained(file.parent, gguf_file=file.name)
    except (ValueError, OSError, IndexError, KeyError) as error:
        raise DataError(f"{file} cannot be read as a language model in GGUF ({error})") from error
    model.save_pretrained(into)
    tokenizer.save_pretrained(into)
