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
    let height = certificate.height
    guard !machine.certifiedHere.contains(height) else { return }
    let place = machine.certifiedHere.firstIndex { $0 > height } ?? machine.certifiedHere.endIndex
    machine.certifiedHere.insert(height, at: place)
    if machine.certifiedHere.count > Self.certifiedHereMax { machine.certifiedHere.removeFirst() }
  }

  private static let certifiedHereMax = 64

  /// A certified read of a transfer whose receipt is held: it must be there.
  func read(_ index: Int) {
    guard options.reads, let wanted = clients[index].toRead.first else { return }
    let machine = machines[clients[index].chance.below(machines.count)]
    guard machine.power == .up, case .sql(let executor)? = machine.ledger,
      let heights = executor.reader.heights, heights.upperBound >= wanted.height
    else { return }
    clients[index].toRead.removeFirst()
    statistics.reads += 1
    read(wanted, of: index, machine, executor.reader, in: heights)
    readBeside(wanted, machine, executor.reader)
  }

  /// What is still to be read when the run ends, of a replica that can answer.
  func readRest() {
    guard options.reads else { return }
    for index in clients.indices {
      let rest = clients[index].toRead
      clients[index].toRead = []
      for wanted in rest {
        for machine in machines where isSound(machine) && machine.power == .up {
          guard case .sql(let executor)? = machine.ledger, let heights = executor.reader.heights,
            serves(wanted.height, in: heights, machine)
          else { continue }
          statistics.reads += 1
          read(
            (wanted.transfer, wanted.height, Client.readTriesMax), of: index, machine,
            executor.reader, in: heights)
          break
        }
      }
    }
  }

  /// It shows the state of this height or of a later one, and holds the certificate of that.
  private func serves(_ height: Height, in heights: ClosedRange<Height>, _ machine: Machine) -> Bool
  {
    machine.certifiedHere.contains { $0 >= height && heights.contains($0) }
  }

  private func read(
    _ wanted: Wanted, of index: Int, _ machine: Machine, _ reader: Reader,
    in heights: ClosedRange<Height>
  ) {
    let request = request(.key([.text(wanted.transfer)]))
    let answer: CertifiedRows
    do {
      let own = try reader.rows(request)
      answer = machine.adversary?.shows(own, in: machine.view) ?? own
    } catch {
      retry(wanted, of: index, machine, error)
      return
    }
    do {
      let rows = try clientCheck.check(answer, to: request)
      // Who cannot prove a height that new yet is not wrong: the real client asks another replica.
      let mayBeOlder = !machine.correct || !serves(wanted.height, in: heights, machine)
      if rows.height < wanted.height, mayBeOlder {
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

  private typealias Wanted = (transfer: String, height: Height, tries: Int)

  private func request(_ selection: RowsRequest.Selection) -> RowsRequest {
    RowsRequest(
      subnet: committee.subnet, pipeline: Bank.name, table: Bank.table, selection: selection)
  }

  private static let rangesEvery: UInt64 = 8

  /// Beside a read of a transfer that is there: one of a key that nobody writes, and now and then
  /// of all keys that begin alike.
  private func readBeside(_ wanted: Wanted, _ machine: Machine, _ reader: Reader) {
    guard isSound(machine), let serial else { return }
    let absent = "\(wanted.transfer)-never"
    do {
      let request = request(.key([.text(absent)]))
      let rows = try clientCheck.check(try reader.rows(request), to: request)
      oracle.read(
        rows.rows.map(BankRow.init), of: absent, at: rows.height, time: rows.time, atLeast: 0,
        bank: serial.bank, replayed: serial.height, machine.index)
      guard statistics.reads % Self.rangesEvery == 0 else { return }
      let (from, to) = (wanted.transfer, "\(wanted.transfer)~")
      let range = self.request(.range(from: [.text(from)], to: [.text(to)]))
      let found = try clientCheck.check(try reader.rows(range), to: range)
      oracle.read(
        found.rows.map(BankRow.init), from: from, to: to, at: found.height, bank: serial.bank,
        replayed: serial.height, machine.index)
    } catch let refusal as Refusal where Self.isForNow(refusal) {
      return
    } catch {
      judgeRead(machine, "does not prove what is beside \(wanted.transfer): \(error)")
    }
  }

  /// A replica may lack a height for a while.
  private static func isForNow(_ refusal: Refusal) -> Bool {
    ["NOT_READY", "HEIGHT_GONE"].contains(refusal.code)
  }

  private func judge(_ proven: ProvenRows, of wanted: Wanted, _ machine: Machine) {
    guard isSound(machine), let serial else { return }
    oracle.read(
      proven.rows.map(BankRow.init), of: wanted.transfer, at: proven.height, time: proven.time,
      atLeast: wanted.height, bank: serial.bank, replayed: serial.height, machine.index)
  }

  private func retry(_ wanted: Wanted, of index: Int, _ machine: Machine, _ refusal: Refusal) {
    if wanted.tries < Client.readTriesMax {
      clients[index].toRead.append((wanted.transfer, wanted.height, wanted.tries + 1))
    } else {
      judgeRead(machine, "refuses again and again to read \(wanted.transfer): \(refusal)")
    }
  }

  private func judgeRead(_ machine: Machine, _ text: String) {
    guard isSound(machine) else { return }
    oracle.report(.reads, machine.index, nil, text)
  }
}
