"""Sentences from a small English grammar, split into training, validation and test; written to ../sentences.

    python3 make_sentences.py            check that the files are what the grammar makes, and do not overlap
    python3 make_sentences.py --write    write them
"""

import argparse
import os
import random
import sys

from common import SENTENCES, load_config, sentences

DETERMINERS = "the a my your our this".split()
ADJECTIVES = "big small red blue green old young happy quiet brave cold warm new dark white".split()
BEINGS = "cat dog bird horse fish mouse farmer doctor teacher sister brother king queen baby".split()
THINGS = ("house river garden door window table book letter ship train bridge tree flower hat box lamp stone road "
          "apple cake").split()
PLURALS = "cats dogs birds horses books trees flowers apples stones boxes hats ships".split()
NUMBERS = "two three four five six seven eight nine ten".split()
PRONOUNS = "i we you they".split()
VERBS_PRESENT = "sees likes finds wants hears needs follows paints keeps".split()
VERBS_PAST = "saw found bought wanted carried painted".split()
VERBS_ALONE = "sleeps runs sings waits walks smiles".split()
ADVERBS = "today again slowly quickly now here often outside".split()
COMMANDS = "open close bring take find paint carry hide show".split()
ABILITIES = "see find bring paint carry".split()
PREPOSITIONS = "near under behind over by with".split()
PLACES = "in the garden,by the river,near the bridge,on the table,at home,in the snow".split(",")
TIMES = "this morning,every day,last night,at noon".split(",")


def noun_phrase(rng):
    noun, determiner = rng.choice(BEINGS + THINGS), rng.choice(DETERMINERS)
    return [determiner, rng.choice(ADJECTIVES), noun] if rng.random() < 0.5 else [determiner, noun]


def subject(rng, adjective_share=0.35):
    determiner = [rng.choice(DETERMINERS)]
    adjective = [rng.choice(ADJECTIVES)] if rng.random() < adjective_share else []
    return determiner + adjective + [rng.choice(BEINGS)]


def object_(rng, adjective_share=0.4):
    if rng.random() < 0.25:
        number = [rng.choice(NUMBERS)]
        adjective = [rng.choice(ADJECTIVES)] if rng.random() < 0.3 else []
        return number + adjective + [rng.choice(PLURALS)]
    determiner = [rng.choice(DETERMINERS)]
    adjective = [rng.choice(ADJECTIVES)] if rng.random() < adjective_share else []
    return determiner + adjective + [rng.choice(THINGS + BEINGS)]


def sentence(rng):
    kind = rng.random()
    if kind < 0.26:
        return subject(rng) + [rng.choice(VERBS_PRESENT)] + object_(rng)
    if kind < 0.38:
        return [rng.choice(PRONOUNS), rng.choice(VERBS_PAST)] + object_(rng)
    if kind < 0.48:
        start = subject(rng) + [rng.choice(VERBS_ALONE)]
        return start + rng.choice([rng.choice(ends).split() for ends in (ADVERBS, PLACES, TIMES)])
    if kind < 0.58:
        start = [rng.choice(COMMANDS)] + object_(rng)
        return start + ([rng.choice(ADVERBS)] if rng.random() < 0.5 else [])
    if kind < 0.68:
        return ["where", "is"] + noun_phrase(rng)
    if kind < 0.76:
        start = [rng.choice(DETERMINERS), rng.choice(BEINGS + THINGS), "is", rng.choice(ADJECTIVES)]
        return start + ([rng.choice(ADVERBS)] if rng.random() < 0.4 else ["and", rng.choice(ADJECTIVES)])
    if kind < 0.84:
        return ["there", "are", rng.choice(NUMBERS), rng.choice(ADJECTIVES), rng.choice(PLURALS)]
    if kind < 0.92:
        return subject(rng, 0) + ["is", rng.choice(PREPOSITIONS), rng.choice(DETERMINERS), rng.choice(THINGS)]
    return ["can", "you", rng.choice(ABILITIES)] + object_(rng, 0.3)


def no_a_before_a_vowel(words):
    following = words[1:] + ["."]
    return ["the" if word == "a" and after[0] in "aeiou" else word for word, after in zip(words, following)]


def make(config):
    rng = random.Random(config["seed"])
    fewest, most = config["words"]
    made = {}  # a dict, because it keeps the order
    while len(made) < config["total"]:
        words = no_a_before_a_vowel(sentence(rng))
        text = " ".join(words)
        if fewest <= len(text.split()) <= most and len(text) <= config["longest"]:
            made[text] = True
    shuffled = list(made)
    rng.shuffle(shuffled)
    first, second = config["validation"], config["validation"] + config["test"]
    return {"validation": shuffled[:first], "test": shuffled[first:second], "train": shuffled[second:]}


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--write", action="store_true")
    made = make(load_config()["sentences"])
    if parser.parse_args().write:
        os.makedirs(SENTENCES, exist_ok=True)
        for split, lines in made.items():
            with open(os.path.join(SENTENCES, f"{split}.txt"), "w", encoding="utf-8", newline="\n") as file:
                file.write("\n".join(lines) + "\n")
    stored = {split: sentences(split) for split in made}
    everything = [line for lines in stored.values() for line in lines]
    if len(set(everything)) != len(everything):
        sys.exit("a sentence occurs twice, within a split or across two")
    different = [split for split in made if made[split] != stored[split]]
    if different:
        sys.exit(f"not what the grammar makes: {different}")
    words = {word for line in everything for word in line.split()}
    counts = ", ".join(f"{len(lines)} {split}" for split, lines in stored.items())
    print(f"{counts}; no overlap; {len(words)} words; "
          f"{sum(map(len, everything)) / len(everything):.1f} characters on average, {max(map(len, everything))} at most")


if __name__ == "__main__":
    main()
