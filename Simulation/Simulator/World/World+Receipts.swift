import Certification
import Execution
import Journaling
import Signing
import Wire

extension World {
  /// What the call's replica can show of it now, verified as the client library does.
  func settlement(of pending: Client.Pending) -> Settlement? {
    let machine = machines[pending.target]
    guard machine.power == .up, let ledger = machine.ledger else { return nil }
    switch ledger {
    case .digests(let ledger): return ledger.holds(pending.digest) ? .ordered : nil
    case .sql(let executor):
      guard let proof = try? executor.receipt(of: pending.digest),
        proof.receipt.height <= machine.certifiedHeight,
        let certificate = try? machine.journal?.stateCertificate(at: proof.receipt.height)
      else { return nil }
      do {
        let own = CertifiedReceipt(proof: proof, certificate: certificate)
        let shown = machine.adversary?.shows(own, in: machine.view) ?? own
        let receipt = try clientCheck.check(shown, of: pending.digest)
        if shown.proof.receipt != own.proof.receipt {
          oracle.report(.reads, nil, nil, "a client takes a receipt that \(machine.name) made up")
        }
        return .certified(receipt)
      } catch {
        judgeRead(machine, "gives a receipt that does not verify: \(error)")
        return nil
      }
    }
  }

  /// A certified height may be served.
  func certified(_ certificate: StateCertificate, on machine: Machine) {
    guard case .sql(let executor)? = machine.ledger else { return }
    executor.reader.certify(certificate)
  }

  /// A certified read of a transfer whose receipt is held: it must be there.
  func read(_ index: Int) {
    guard options.reads, let wanted = clients[index].toRead.first else { return }
    let machine = machines[clients[index].chance.below(machines.count)]
    guard machine.power == .up, case .sql(let executor)? = machine.ledger,
      let heights = executor.reader.heights, heights.upperBound >= wanted.height
    else { return }
    clients[index].toRead.removeFirst()
    statistics.reads += 1
    let request = RowsRequest(
      subnet: committee.subnet, pipeline: Bank.name, table: Bank.table,
      selection: .key([.text(wanted.transfer)]))
    let answer: CertifiedRows
    do {
      let own = try executor.reader.rows(request)
      answer = machine.adversary?.shows(own, in: machine.view) ?? own
    } catch {
      retry(wanted, of: index, machine, error)
      return
    }
    do {
      let rows = try clientCheck.check(answer, to: request)
      // True but older than asked for: the real client's freshness check asks another replica.
      guard rows.height >= wanted.height else {
        retry(wanted, of: index, machine, Refusal("STALE", "of height \(rows.height)"))
        return
      }
      judge(rows, of: wanted, machine)
    } catch {
      statistics.readsRefused += 1
      if !machine.correct { retry(wanted, of: index, machine, Refusal("LIE", "\(error)")) }
      judgeRead(machine, "gives rows of \(wanted.transfer) that do not verify: \(error)")
    }
  }

  private func judge(
    _ proven: ProvenRows, of wanted: (transfer: String, height: Height, tries: Int),
    _ machine: Machine
  ) {
    guard machine.correct, !machine.spent, let serial else { return }
    oracle.read(
      proven.rows.map(BankRow.init), of: wanted.transfer, at: proven.height, time: proven.time,
      atLeast: wanted.height, bank: serial.bank, replayed: serial.height, machine.index)
  }

  private func retry(
    _ wanted: (transfer: String, height: Height, tries: Int), of index: Int, _ machine: Machine,
    _ refusal: Refusal
  ) {
    if wanted.tries < Client.readTriesMax {
      clients[index].toRead.append((wanted.transfer, wanted.height, wanted.tries + 1))
    } else {
      judgeRead(machine, "refuses again and again to read \(wanted.transfer): \(refusal)")
    }
  }

  private func judgeRead(_ machine: Machine, _ text: String) {
    guard machine.correct, !machine.spent else { return }
    oracle.report(.reads, machine.index, nil, text)
  }
}
