"""Statements for the relations of EntityQuestions (Sciavolino et al. 2021): its rows have questions and answers, but no text to read."""

from __future__ import annotations

import re
from random import Random
from typing import Any

# By Wikidata relation: the data set's own question, and statements of subject {s} and object {o}.
STATEMENTS: dict[str, tuple[str, list[str]]] = {
    "P106": ("What kind of work does {s} do?", ["{s} works as {o}.", "By profession, {s} was {o}.", "{s}'s occupation is {o}."]),
    "P112": ("Who founded {s}?", ["{s} was founded by {o}.", "{o} founded {s}.", "It was {o} who started {s}."]),
    "P127": ("Who owns {s}?", ["{s} is owned by {o}.", "{o} owns {s}.", "{s} belongs to {o}."]),
    "P131": ("Where is {s} located?", ["{s} is located in {o}.", "{s} lies in {o}.", "In {o} you will find {s}."]),
    "P136": ("What type of music does {s} play?", ["{s} plays {o}.", "{s} is known for {o} music.", "The music of {s} is {o}."]),
    "P159": ("Where is the headquarter of {s}?", ["{s} has its headquarters in {o}.", "{s} is based in {o}.", "The head office of {s} is in {o}."]),
    "P17": ("Which country is {s} located in?", ["{s} is in {o}.", "{s} is a place in {o}.", "{s}, which lies in {o}, is often visited."]),
    "P170": ("Who was {s} created by?", ["{s} was created by {o}.", "{o} created {s}.", "The creator of {s} is {o}."]),
    "P175": ("Who performed {s}?", ["{s} was performed by {o}.", "{o} performed {s}.", "The song {s} is by {o}."]),
    "P176": ("Which company is {s} produced by?", ["{s} is produced by {o}.", "{o} makes {s}.", "{s} is made by {o}."]),
    "P19": ("Where was {s} born?", ["{s} was born in {o}.", "The birthplace of {s} is {o}.", "{s} comes from {o}, the town of birth."]),
    "P20": ("Where did {s} die?", ["{s} died in {o}.", "{s} passed away in {o}.", "It was in {o} that {s} died."]),
    "P26": ("Who is {s} married to?", ["{s} is married to {o}.", "{o} is the spouse of {s}.", "{s} and {o} are married."]),
    "P264": ("What music label is {s} represented by?", ["{s} is signed to {o}.", "{o} is the label of {s}.", "{s} records for {o}."]),
    "P276": ("Where is {s} located?", ["{s} is in {o}.", "{s} can be found in {o}.", "{o} is where {s} is."]),
    "P36": ("What is the capital of {s}?", ["The capital of {s} is {o}.", "{o} is the capital of {s}.", "{s} has {o} as its capital."]),
    "P40": ("Who is {s}'s child?", ["{o} is the child of {s}.", "{s} has a child, {o}.", "{s} is the parent of {o}."]),
    "P407": ("Which language was {s} written in?", ["{s} was written in {o}.", "{s} is a work in {o}.", "The language of {s} is {o}."]),
    "P413": ("What position does {s} play?", ["{s} plays as {o}.", "{s} is a {o}.", "The position of {s} on the field is {o}."]),
    "P495": ("Which country was {s} created in?", ["{s} was made in {o}.", "{s} comes from {o}.", "{o} is the country where {s} was created."]),
    "P50": ("Who is the author of {s}?", ["{s} was written by {o}.", "{o} is the author of {s}.", "{o} wrote {s}."]),
    "P69": ("Where was {s} educated?", ["{s} studied at {o}.", "{s} is a graduate of {o}.", "{o} is where {s} went to school."]),
    "P740": ("Where was {s} founded?", ["{s} was founded in {o}.", "{s} started in {o}.", "It was in {o} that {s} began."]),
    "P800": ("What is {s} famous for?", ["{s} is famous for {o}.", "{o} is the best known work of {s}.", "People know {s} for {o}."]),
}


def statement_of(row: dict[str, Any], rng: Random) -> str:
    """A sentence that answers the row's question."""
    question, statements = STATEMENTS[row["relation"]]
    before, _, after = question.partition("{s}")
    match = re.fullmatch(re.escape(before) + r"(.+)" + re.escape(after), row["question"])
    subject = match.group(1) if match else row["question"].rstrip("?")
    return rng.choice(statements).format(s=subject, o=row["answers"][0])
