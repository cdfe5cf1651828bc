"""Where models come from: packages that really load, folders of one's own, names on the hub."""

import pytest
import torch
from transformers import AutoModel, AutoModelForCausalLM, AutoTokenizer, BertConfig, BertModel

from helpers.nlp import pretrained as module
from helpers.nlp.pretrained import pretrained


def sentences_embedded(name, texts):
    tokenizer, model = AutoTokenizer.from_pretrained(pretrained(name)), AutoModel.from_pretrained(pretrained(name))
    batch = tokenizer(texts, padding=True, return_tensors="pt")
    with torch.inference_mode():
        hidden = model.float()(**batch).last_hidden_state  # (B, T, d)
    mask = batch["attention_mask"][..., None]
    return torch.nn.functional.normalize((hidden * mask).sum(1) / mask.sum(1), dim=1)


def test_minilm_puts_what_means_the_same_together():
    a, b, c = sentences_embedded("minilm", ["The film was great.", "I loved this movie.", "Rain is expected in Oslo."])
    assert a @ b > 0.5 > 0.2 > a @ c


def test_e5_puts_a_sentence_beside_its_translation():
    texts = ["query: 这本书很好看", "query: This book is a great read", "query: The train was late again"]
    a, b, c = sentences_embedded("e5", texts)
    assert a @ b > a @ c + 0.05


def test_smollm2_goes_on_with_a_text():
    path = pretrained("smollm2")
    tokenizer, model = AutoTokenizer.from_pretrained(path), AutoModelForCausalLM.from_pretrained(path)
    ids = tokenizer("The capital of France is", return_tensors="pt")
    answer = model.generate(**ids, max_new_tokens=3, do_sample=False)
    assert "Paris" in tokenizer.decode(answer[0])


def test_a_folder_of_ones_own_loads_as_a_name_on_the_hub_would(tmp_path, capsys):
    small = BertConfig(vocab_size=20, hidden_size=8, num_hidden_layers=1, num_attention_heads=2, intermediate_size=16)
    model = BertModel(small)
    model.save_pretrained(tmp_path)
    module._say.cache_clear()
    loaded = AutoModel.from_pretrained(pretrained(str(tmp_path)))
    assert torch.equal(loaded.embeddings.word_embeddings.weight, model.embeddings.word_embeddings.weight)
    assert "folder of your own" in capsys.readouterr().out


def test_it_says_once_where_a_model_comes_from(capsys):
    module._say.cache_clear()
    assert pretrained("bert-base-chinese") == pretrained("bert-base-chinese") == "bert-base-chinese"
    assert capsys.readouterr().out.count("Hugging Face hub") == 1


@pytest.mark.parametrize(("name", "words"), [("", "needs a name"), ("./nowhere", "no folder"), ("a/b/c", "no folder")])
def test_a_name_that_leads_nowhere_is_refused(name, words):
    with pytest.raises(ValueError, match=words):
        pretrained(name)
