import Certification
import Foundation
import Pipelines
import Testing
import Wire

@testable import Execution

/// The bank reconciliation on generated rows in any order, against the same rows in theirs and
/// against plain Python.
@Suite struct `A shuffled bank feed` {
  /// Set QUORATE_FEED_ROWS=100000 for the large run, and QUORATE_FEED_COMPARE=1 beside it to
  /// compute the models whole after every one of its batches: most of an hour.
  private let rowCount = Self.number("QUORATE_FEED_ROWS") ?? 600
  private let batchesBetweenComparisons = Self.number("QUORATE_FEED_COMPARE")
  private var dice = Dice(11)

  private static func number(_ name: String) -> Int? {
    ProcessInfo.processInfo.environment[name].flatMap(Int.init)
  }

  /// The rows with a twentieth of them twice, in no order.
  private mutating func shuffled(_ rows: [[String?]]) -> [[String?]] {
    var all = rows
    for row in rows where dice.chance(5) { all.append(row) }
    all.shuffle(using: &dice)
    return all
  }

  /// Sends all tables but the banks in random batches, which of them next at random too.
  private mutating func sendAtRandom(
    _ feed: FeedGenerator, _ lines: [[String?]], to run: BankRun
  ) throws {
    var rest = [
      (table: feed.transactions, rows: shuffled(lines)[...]),
      (table: feed.lifecycle, rows: shuffled(feed.lifecycle.rows)[...]),
      (table: feed.audit, rows: shuffled(feed.audit.rows)[...]),
    ]
    // After every batch of a small feed; a large one is computed whole now and then.
    let between = max(1, batchesBetweenComparisons ?? (rowCount <= 2_000 ? 1 : 200))
    var batches = 0
    while !rest.isEmpty {
      let next = dice.roll(rest.count)
      let count = min(rest[next].rows.count, 1 + dice.roll(min(250, max(20, rowCount / 10))))
      try run.send(rest[next].table, rest[next].rows.prefix(count))
      rest[next].rows = rest[next].rows.dropFirst(count)
      if rest[next].rows.isEmpty { rest.remove(at: next) }
      batches += 1
      if batches % between == 0 { try run.expectIncrementalEqualsFull() }
    }
    try run.expectIncrementalEqualsFull()
  }

  /// The accepted lines in the order of their days, a thousand a batch.
  private func sendInOrder(
    _ feed: FeedGenerator, _ lines: [[String?]], accepted: Set<String>, to run: BankRun
  ) throws {
    var seen: Set<String> = []
    let lines =
      lines
      .filter { accepted.contains($0[0] ?? "") && seen.insert($0[0] ?? "").inserted }
      .sorted { ($0[6] ?? "", $0[0] ?? "") < ($1[6] ?? "", $1[0] ?? "") }
    for (table, rows) in [
      (feed.transactions, lines), (feed.lifecycle, feed.lifecycle.rows),
      (feed.audit, feed.audit.rows),
    ] {
      for start in stride(from: 0, to: rows.count, by: 1_000) {
        try run.send(table, rows[start..<min(start + 1_000, rows.count)])
      }
    }
  }

  @Test mutating func `comes to the gold of the same rows in order, and of plain Python`() throws {
    let feed = FeedGenerator(seed: 5, rows: rowCount)
    let moved = BankDays.moved(feed.transactions.rows)
    let mixed = try BankRun()
    try mixed.send(feed.institutions, feed.institutions.rows[...])
    try sendAtRandom(feed, moved, to: mixed)
    let lines = try mixed.rows("bronze_financial_transactions", "transaction_id")
    #expect(lines.count > rowCount / 2)
    #expect(mixed.written.rows > 0)
    #expect(mixed.tally.late > 0 && mixed.tally.duplicates > 0 && mixed.tally.quarantined > 0)
    let ordered = try BankRun()
    try ordered.send(feed.institutions, feed.institutions.rows[...])
    try sendInOrder(feed, moved, accepted: Set(lines), to: ordered)
    #expect(ordered.tally.late == 0 && ordered.tally.duplicates == 0)
    // Views look at block time, by the day.
    #expect(mixed.today == ordered.today)
    let models = try mixed.models()
    for model in models {
      let rows = try mixed.contents(of: model)
      #expect(!rows.isEmpty, "\(model.name)")
      #expect(try rows == ordered.contents(of: model), "\(model.name)")
    }
    mixed.report()
    let python = try BankInPython()
    defer { python.remove() }
    let questions = BankDays.questions(banks: feed.institutions.rows.compactMap { $0[0] })
    guard try python.run(on: mixed, questions) else { return }
    for model in models {
      #expect(try mixed.contents(of: model) == python.lines(model.name).sorted(), "\(model.name)")
    }
    var withRows = 0
    for (number, question) in questions.enumerated() {
      let answer = try mixed.answer(question)
      withRows += answer.isEmpty ? 0 : 1
      #expect(try answer == python.lines("answer_\(number)"), "\(question)")
    }
    #expect(withRows * 2 > questions.count)
  }

  /// Ten lines of a customer, and one that pairs with the third of them.
  private var own: [[String?]] {
    let ledger: [[String?]] = (1...10).map { number in
      let day = "2024-10-\(10 + number)"
      return [
        "X\(number)", "B01", "LEDGER", "XX", "\(number).00", "EUR", day, day, "XX-\(number)", nil,
      ]
    }
    return ledger + [
      ["X11", "B01", "BANK", "XX", "3.00", "EUR", "2024-10-13", nil, "xx 3", nil]
    ]
  }

  @Test func `costs for one more line no more where there are ten times as many`() throws {
    var steps: [UInt64] = []
    for count in [600, 6_000] {
      let feed = FeedGenerator(seed: 6, rows: count)
      let run = try BankRun()
      try run.send(feed.institutions, feed.institutions.rows[...])
      try run.send(feed.transactions, own.prefix(10))
      let rows = feed.transactions.rows
      for start in stride(from: 0, to: rows.count, by: 1_000) {
        try run.send(feed.transactions, rows[start..<min(start + 1_000, rows.count)])
      }
      let accepted = Int(run.tally.accepted)
      #expect(accepted > count * 8 / 10)
      try run.send(feed.transactions, own.suffix(1))
      #expect(Int(run.tally.accepted) == accepted + 1)
      #expect(try run.rows("slv_matches WHERE match_ref = 'XX3'", "match_rule") == ["EXACT"])
      steps.append(try #require(run.costs.last?.steps))
    }
    print("Bank feed: one more line takes \(steps[0]) steps at 600 rows, \(steps[1]) at 6,000.")
    #expect(steps[0] > 0 && steps[1] <= 2 * steps[0])
  }
}
