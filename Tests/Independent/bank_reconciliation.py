"""The tables of deploy/pipelines/bank-reconciliation, computed in plain Python.

An independent second opinion for Tests/ExecutionTests/BankFeedTests.swift: no SQL, no code in
common with the pipeline. It reads the accepted rows from files of a folder, one row a line, columns
separated by "|", an empty field for null:

    transactions.txt  transaction_id, bank_id, side, customer_id, amount, currency, value_date,
                      due_date, reference, description
    institutions.txt  bank_id, name, country, address
    lifecycle.txt     transaction_id, seq, stage, at
    audit.txt         audit_id, transaction_id, actor, action, at
    today.txt         the day of block time
    questions.txt     a named query or metric, then its arguments

Amounts are hundredths, dates are days since 1970-01-01, times are milliseconds. It writes MODEL.txt
beside them for each table and view of the package, and answer_N.txt for the question in line N,
from 0, with decimals and dates as people read them.

    python3 bank_reconciliation.py FOLDER
"""

import calendar
import datetime
import sys
from collections import Counter, defaultdict
from pathlib import Path
from typing import NamedTuple, Optional

DATE_TOLERANCE_DAYS = 3
WINDOW_DAYS = 30
EPOCH = datetime.date(1970, 1, 1).toordinal()


class Line(NamedTuple):
    """One line of a bank statement or of the ledger."""

    id: str
    bank: str
    side: str
    customer: str
    amount: int
    currency: str
    day: int
    due: Optional[int]
    spelled: str
    description: str
    reference: str


def read(path):
    return [line.split("|") for line in path.read_text(encoding="utf-8").splitlines()]


def plain(reference):
    """The reference without blanks and dashes, ASCII letters in upper case."""
    kept = (letter for letter in reference if letter not in " -")
    return "".join(chr(ord(c) - 32) if "a" <= c <= "z" else c for c in kept)


def read_lines(folder):
    lines = []
    for id, bank, side, customer, amount, currency, day, due, spelled, description in read(
        folder / "transactions.txt"
    ):
        lines.append(
            Line(id, bank, side, customer, int(amount), currency, int(day),
                 int(due) if due else None, spelled, description, plain(spelled))
        )
    return sorted(lines, key=lambda line: line.id)


def payment_status(line):
    if line.due is None:
        return "NoDue"
    return "Late" if line.day > line.due else "OnTime"


def matches(lines):
    """Pairs by equal bank, reference, currency, amount and day, where both sides are as many."""
    groups = defaultdict(lambda: {"BANK": [], "LEDGER": []})
    for line in lines:
        key = (line.bank, line.reference, line.currency, line.amount, line.day)
        groups[key][line.side].append(line.id)
    pairs = []
    for (bank, reference, *_), sides in groups.items():
        if len(sides["BANK"]) == len(sides["LEDGER"]):
            for pair in zip(sorted(sides["BANK"]), sorted(sides["LEDGER"])):
                pairs.append((*pair, bank, reference, "EXACT"))
    return sorted(pairs)


def exceptions(lines, matched):
    groups = defaultdict(list)
    for line in lines:
        groups[line.bank, line.reference].append(line)
    found = []
    for line in lines:
        if line.id in matched:
            continue
        others = [
            other for other in groups[line.bank, line.reference]
            if other.side != line.side and other.currency == line.currency
        ]
        same = [other for other in others if other.amount == line.amount]
        if any(other.day == line.day for other in same):
            reason = "AMBIGUOUS"
        elif any(abs(other.day - line.day) <= DATE_TOLERANCE_DAYS for other in same):
            reason = "DATE"
        elif any(other.day == line.day for other in others):
            reason = "AMOUNT"
        else:
            reason = "UNMATCHED"
        found.append((line.id, line.bank, line.reference, reason))
    return found


def facts(lines, matched, folder):
    stages, audits = {}, {}
    for id, seq, stage, _ in read(folder / "lifecycle.txt"):
        stages[id] = max(stages.get(id, (0, "")), (int(seq), stage))
    for audit, id, _, _, at in read(folder / "audit.txt"):
        audits[id] = max(audits.get(id, (-1, "")), (int(at), audit))
    return [
        (line.id, line.bank, line.reference, line.amount, line.day,
         audits.get(line.id, (0, ""))[1], stages.get(line.id, (0, "pending"))[1],
         int(line.id in matched), "EXACT" if line.id in matched else "")
        for line in lines
    ]


def balances(lines):
    """The sum of the last thirty days, by days and not by rows."""
    daily = defaultdict(lambda: defaultdict(int))
    for line in lines:
        if line.side == "LEDGER":
            daily[line.customer, line.currency][line.day] += line.amount
    return sorted(
        (customer, currency, day,
         sum(net for other, net in days.items() if day - WINDOW_DAYS < other <= day))
        for (customer, currency), days in daily.items() for day in days
    )


def streaks(lines):
    """Runs of at least two late payments with none in time between them."""
    payments = defaultdict(list)
    for line in lines:
        if line.side == "LEDGER" and line.due is not None:
            payments[line.customer].append((line.day, line.id, line.day > line.due))
    found = []
    for customer, rows in payments.items():
        in_time = 0
        runs = defaultdict(list)
        for day, _, is_late in sorted(rows):
            if is_late:
                # The island's number: how many payments in time came before it.
                runs[in_time].append(day)
            else:
                in_time += 1
        for island, days in runs.items():
            if len(days) > 1:
                found.append((customer, island, min(days), max(days), len(days)))
    return sorted(found)


def a_year_before(day):
    """The same day of the year before, the 28th of February for a 29th."""
    date = datetime.date.fromordinal(day + EPOCH)
    length = calendar.monthrange(date.year - 1, date.month)[1]
    return datetime.date(date.year - 1, date.month, min(date.day, length)).toordinal() - EPOCH


def top_three(lines, day):
    """The largest ledger lines of each customer in the year that ends with a day."""
    found = defaultdict(list)
    excluded = a_year_before(day)
    for line in lines:
        if line.side == "LEDGER" and excluded < line.day <= day:
            found[line.customer].append(line)
    ranked = []
    for customer in sorted(found):
        largest = sorted(found[customer], key=lambda line: (-line.amount, -line.day, line.id))
        ranked += [(customer, rank + 1, line) for rank, line in enumerate(largest[:3])]
    return ranked


def auto_match(banks, lines, matched, reasons):
    """How many lines of each bank found their pair, and why the others did not."""
    rows = []
    for bank, name, _, _ in banks:
        ids = [line.id for line in lines if line.bank == bank]
        pairs = sum(1 for id in ids if id in matched)
        counts = Counter(reasons[id] for id in ids if id not in matched)
        # Half to even of 1,000,000 pairs / lines, in whole numbers.
        share = ""
        if ids:
            share, rest = divmod(1_000_000 * pairs, len(ids))
            share += 2 * rest > len(ids) or (2 * rest == len(ids) and share % 2 == 1)
        rows.append((bank, name, len(ids), pairs, counts["AMBIGUOUS"], counts["DATE"],
                     counts["AMOUNT"], counts["UNMATCHED"], share))
    return sorted(rows)


# Questions, answered as people read them.


def shown_amount(amount):
    return f"{'-' if amount < 0 else ''}{abs(amount) // 100}.{abs(amount) % 100:02}"


def shown_day(day):
    return datetime.date.fromordinal(day + EPOCH).isoformat()


def answer(question, lines, tables):
    name, *arguments = question
    if name == "match_summary":
        return [(bank, count, pairs) for bank, _, count, pairs, *_ in tables["mtr_auto_match"]]
    if name == "exceptions_by_reason":
        return sorted(Counter(row[3] for row in tables["slv_match_exceptions"]).items())
    if name == "auto_match_rate":
        facts = tables["fct_transaction_audit"]
        return [(1_000_000 * sum(row[7] for row in facts) // len(facts),)]
    if name == "auto_match_report":
        bank, first, last = arguments[0], int(arguments[1]), int(arguments[2])
        names = {row[0]: row[1] for row in tables["dim_bank"]}
        found = sorted((row[4], row[0], row[3], row[8]) for row in tables["fct_transaction_audit"]
                       if row[7] and row[1] == bank and first <= row[4] <= last)
        return [(id, names[bank], shown_amount(amount), shown_day(day), rule)
                for day, id, amount, rule in found]
    if name == "top_3_transactions":
        return [(customer, rank, line.id, shown_amount(line.amount), shown_day(line.day))
                for customer, rank, line in top_three(lines, int(arguments[0]))]
    raise ValueError(f"{name} is not known here")


def compute(folder):
    lines = read_lines(folder)
    banks = read(folder / "institutions.txt")
    audits = read(folder / "audit.txt")
    today = int(read(folder / "today.txt")[0][0])
    pairs = matches(lines)
    matched = {id for pair in pairs for id in pair[:2]}
    found = exceptions(lines, matched)
    # A null is an empty field, a description too that is empty.
    due = {line.id: "" if line.due is None else line.due for line in lines}
    return lines, {
        "slv_transactions": [
            (line.id, line.bank, line.side, line.customer, line.amount, line.currency, line.day,
             due[line.id], line.spelled, line.description, line.reference, payment_status(line))
            for line in lines
        ],
        "slv_matches": pairs,
        "slv_match_exceptions": found,
        "slv_institutions": banks,
        "slv_lifecycle": read(folder / "lifecycle.txt"),
        "slv_audit": audits,
        "dim_bank": banks,
        "dim_transaction_details": [
            (line.id, line.side, line.customer, line.currency, line.spelled, line.description,
             due[line.id]) for line in lines
        ],
        "dim_lifecycle_stage": [("pending", 1, 0), ("processed", 2, 0), ("reconciled", 3, 1)],
        "dim_audit_trail": audits,
        "fct_transaction_audit": facts(lines, matched, folder),
        "mtr_rolling_30d_balance": balances(lines),
        "mtr_late_streaks": streaks(lines),
        "mtr_top_transactions": [
            (customer, rank, line.id, line.amount, line.currency, line.day)
            for customer, rank, line in top_three(lines, today)
        ],
        "mtr_auto_match": auto_match(banks, lines, matched, {row[0]: row[3] for row in found}),
    }


def write(path, rows):
    text = "".join("|".join(map(str, row)) + "\n" for row in rows)
    path.write_text(text, encoding="utf-8")


def main(folder):
    lines, tables = compute(folder)
    for name, rows in tables.items():
        write(folder / f"{name}.txt", rows)
    for number, question in enumerate(read(folder / "questions.txt")):
        write(folder / f"answer_{number}.txt", answer(question, lines, tables))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
