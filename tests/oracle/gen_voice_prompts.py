#!/usr/bin/env python3
"""Writes the fixture voice_prompts: token ids of prompts with a voice, as Transformers' chat template makes them.

usage: gen_voice_prompts.py [FOLDER]      (default: tests/fixtures/voice_prompts)

The conversation is the one that Llasa's authors publish for zero-shot voices: the voice's text, a space and the target text between
the marks of the user's turn, the voice's codes as tokens right after <|SPEECH_GENERATION_START|>, and the assistant's turn left open
(`continue_final_message`). The tokenizer is the tiny world's; the templates are those of Llama 3 and of Llama 3.2 as far as two turns
without tools reach.
"""
import json
import pathlib
import sys

import transformers

ROOT = pathlib.Path(__file__).resolve().parents[2]
TURNS = ("{% for message in messages %}{{ '<|start_header_id|>' + message['role'] + '<|end_header_id|>\\n\\n' + message['content'] | trim + '<|eot_id|>' }}"
         "{% endfor %}")
TEMPLATES = {
    "plain": "{{ bos_token }}" + TURNS,
    "llama32": "{{ bos_token }}{{ '<|start_header_id|>system<|end_header_id|>\\n\\nCutting Knowledge Date: December 2023\\nToday Date: 26 Jul 2024\\n\\n<|eot_id|>' }}" + TURNS,
}
VOICES = [
    ("the quiet river", [17, 4, 1023, 0, 512]),
    ("Wait - is that 12 or 21? \u201cNein\u201d, caf\u00e9.", list(range(40, 72))),
    ("\uc548\ub155\ud558\uc138\uc694", [5]),
]
TEXTS = ["a green stone", "  two spaces before, one after ", "3 more!"]


def main():
    folder = pathlib.Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT / "tests" / "fixtures" / "voice_prompts"
    tokenizer = transformers.PreTrainedTokenizerFast(
        tokenizer_file=str(ROOT / "assets" / "tiny" / "policy" / "tokenizer.json"), bos_token="<|begin_of_text|>", clean_up_tokenization_spaces=False)
    cases = []
    for style, template in TEMPLATES.items():
        for said, codes in VOICES:
            for text in TEXTS:
                chat = [
                    {"role": "user", "content": f"Convert the text to speech:<|TEXT_UNDERSTANDING_START|>{said} {text}<|TEXT_UNDERSTANDING_END|>"},
                    {"role": "assistant", "content": "<|SPEECH_GENERATION_START|>" + "".join(f"<|s_{code}|>" for code in codes)},
                ]
                rendered = tokenizer.apply_chat_template(chat, chat_template=template, tokenize=False, continue_final_message=True)
                ids = tokenizer(rendered, add_special_tokens=False)["input_ids"]
                cases.append({"style": style, "voice_text": said, "voice_codes": codes, "text": text, "ids": ids})
    folder.mkdir(parents=True, exist_ok=True)
    lines = ",\n  ".join(json.dumps(case, ensure_ascii=True) for case in cases)
    (folder / "case.json").write_text(
        f'{{"transformers": "{transformers.__version__}", "tokenizer": "assets/tiny/policy/tokenizer.json", "cases": [\n  {lines}\n]}}\n', encoding="utf-8")


if __name__ == "__main__":
    main()
