import Certification
import Execution
import Journaling
import Wire

extension World {
  /// The serial oracle: the finalized log, executed once more from genesis on a disk of its own,
  /// gives the same roots, the receipts that clients hold, and conserves the cycles.
  func checkSerially() {
    guard options.executes else { return }
    do {
      let executor = try Executor(directory: "serial", vfs: disk.name, genesis: genesis)
      try replayAll(on: executor)
      guard oracle.violations.isEmpty else { return }
      let totals = executor.totals
      if !totals.isConserved { oracle.report(.cycles, nil, nil, "\(totals)") }
      for client in clients { try compare(client, with: executor) }
      try compareTransfers(executor)
    } catch {
      oracle.report(.state, nil, nil, "the serial replay fails: \(error)")
    }
  }

  private func replayAll(on executor: Executor) throws {
    var height: Height = 1
    while Int(height.number) < oracle.states.roots.count {
      guard let block = finalizedBlock(at: height) else {
        oracle.report(.exactlyOnce, nil, nil, "no correct replica holds block \(height) any more")
        return
      }
      let outcome = try executor.execute(block, digest: block.header.digest)
      let index = Int(height.number)
      if outcome.stateRoot != oracle.states.roots[index]
        || outcome.receiptsRoot != oracle.states.receipts[index]
      {
        oracle.report(
          .state, nil, nil,
          "the serial replay of height \(height) gives \(outcome.stateRoot), the replicas got "
            + "\(oracle.states.roots[index])")
        return
      }
      height = height.next
    }
  }

  private func finalizedBlock(at height: Height) -> Block? {
    for machine in machines where machine.correct {
      if let block = try? machine.journal?.block(at: height) { return block }
    }
    return nil
  }

  private func compare(_ client: Client, with executor: Executor) throws {
    for settled in client.settled {
      guard let held = settled.receipt else { continue }
      let serial = try executor.receipt(of: settled.digest)?.receipt
      if serial != held {
        oracle.report(
          .exactlyOnce, nil, nil,
          "client \(client.index) holds a receipt of height \(held.height) for \(settled.digest) "
            + "which the serial replay does not give")
      }
    }
  }

  /// Every transfer that was acknowledged is there once; none that was refused.
  private func compareTransfers(_ executor: Executor) throws {
    guard options.reads,
      let statement = oracle.states.certified(at: oracle.states.height),
      clients.contains(where: { $0.index > 0 && !$0.settled.isEmpty })
    else { return }
    executor.reader.certify(
      StateCertificate(statement: statement, signers: Signers([], of: 1), signatures: []))
    let there = try transfers(executor)
    for client in clients {
      for settled in client.settled { judge(settled, there) }
      for (transfer, kind) in client.mischief.forbidden where there.contains(transfer) {
        oracle.report(
          .exactlyOnce, nil, nil,
          "transfer \(transfer) of a call that is \(kind.rawValue) is in the state")
      }
    }
  }

  /// The keys of all transfers in the state, page by page.
  private func transfers(_ executor: Executor) throws -> Set<String> {
    var there: Set<String> = []
    var selection = RowsRequest.Selection.prefix([])
    while true {
      let rows = try executor.reader.rows(
        RowsRequest(
          subnet: committee.subnet, pipeline: Bank.name, table: Bank.table, selection: selection,
          limit: Bank.pageRows))
      let before = there.count
      for row in rows.rows {
        guard case .text(let id)? = row.cells.first?.value else { continue }
        there.insert(id)
        selection = .range(from: [.text(id)], to: nil)
      }
      if rows.complete || there.count == before { return there }
    }
  }

  private func judge(_ settled: Client.Settled, _ there: Set<String>) {
    guard let receipt = settled.receipt else { return }
    var applied = false
    if case .applied = receipt.status { applied = settled.oddity != .negative }
    for id in settled.transfers where there.contains(id) != applied {
      oracle.report(
        .exactlyOnce, nil, nil,
        "transfer \(id) was \(applied ? "acknowledged and is not" : "refused and is") in the state")
    }
  }
}
