import Metering
import Wire

/// Rows, receipts and cycles against the serial replay and the model of the bank.
extension Oracle {
  /// The serial replay of a height that some replica executed.
  func replayed(_ outcome: BlockOutcome) {
    let index = Int(outcome.height.number)
    guard index < states.roots.count else { return }
    if outcome.stateRoot != states.roots[index] || outcome.receiptsRoot != states.receipts[index] {
      report(
        .state, nil, nil,
        "the serial replay of height \(outcome.height) gives \(outcome.stateRoot), the replicas "
          + "got \(states.roots[index])")
    }
  }

  /// What was minted at genesis is held by somebody, set aside or burned; burned is what receipts
  /// say was taken, and what storage took.
  /// - Parameter charged: nil where the receipts were not added up.
  func conserves(
    _ totals: CycleTotals, charged: UInt128?, at height: Height, on machine: Int?
  ) {
    let whole = totals.balances + totals.reserved + totals.burned
    if totals.minted != minted || whole != minted {
      report(
        .cycles, machine, nil,
        "at height \(height) \(grouped(minted)) cycles were minted and there are "
          + "\(grouped(whole)): \(totals)")
    }
    if let charged, charged != totals.burned {
      report(
        .cycles, machine, nil,
        "at height \(height) receipts and storage took \(grouped(charged)) cycles and "
          + "\(grouped(totals.burned)) are burned")
    }
  }

  /// The rows of a file are those of the model, each once.
  func compare(_ rows: [BankRow], with bank: BankModel, on machine: Int?, of name: String) {
    let expected = bank.transfers.count + bank.balances.count
    if rows.count != expected || Set(rows).count != rows.count {
      report(
        .state, machine, nil,
        "\(name) holds \(counted(rows.count, "row")) of the bank, not \(expected)")
    }
    for row in rows where !bank.holds(row) {
      report(.state, machine, nil, "\(name) holds the row \(row.key), \(row.text), \(row.number)")
      return
    }
  }

  /// A certified read of one transfer: it is there from the height on at which it came.
  func read(
    _ rows: [BankRow], of id: String, at height: Height, time: Moment, atLeast wanted: Height,
    bank: BankModel, replayed: Height, _ machine: Int
  ) {
    if height < wanted {
      report(.reads, machine, nil, "a read at \(wanted) or above was answered of height \(height)")
    }
    if let known = chain.time(at: height), known != time {
      report(.reads, machine, nil, "proves another time of height \(height) than its block has")
    }
    guard height <= replayed else { return }
    let there = bank.transfers[id].flatMap { $0.height <= height ? $0 : nil }
    let expected = there.map { [BankRow(id, $0.to, $0.amount)] } ?? []
    if rows != expected {
      report(
        .reads, machine, nil,
        "proves at height \(height) that transfer \(id) is \(text(rows)), it is \(text(expected))")
    }
  }

  /// A certified read of all transfers from one name to before another.
  func read(
    _ rows: [BankRow], from: String, to: String, at height: Height, bank: BankModel,
    replayed: Height, _ machine: Int
  ) {
    guard height <= replayed else { return }
    let there = bank.transfers.filter { $0.key >= from && $0.key < to && $0.value.height <= height }
    let expected = there.map { BankRow($0.key, $0.value.to, $0.value.amount) }
    if Set(rows) != Set(expected) || rows.count != expected.count {
      report(
        .reads, machine, nil,
        "proves at height \(height) \(counted(rows.count, "transfer")) from \(from) to \(to), "
          + "there are \(expected.count)")
    }
  }

  private func text(_ rows: [BankRow]) -> String {
    rows.isEmpty ? "not there" : rows.map { "\($0.number) to \($0.text)" }.joined(separator: ", ")
  }
}

extension BankModel {
  fileprivate func holds(_ row: BankRow) -> Bool {
    if let transfer = transfers[row.key] {
      return transfer.to == row.text && transfer.amount == row.number
    }
    guard let balance = balances[row.key] else { return false }
    return row.number == balance.received && row.text == "\(balance.transfers) transfers"
  }
}
