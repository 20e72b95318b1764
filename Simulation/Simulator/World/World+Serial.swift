import Certification
import Execution
import Journaling
import Storage
import Wire

/// The serial oracle: the finalized log executed once more, as it grows, on a fresh disk of its
/// own, and told in a few lines of Swift beside it.
///
/// - Safety: it executes as the replicas do, with the rule broken that is broken in them: what all
///   of them do wrong alike shows in the models alone.
final class SerialReplay {
  static let machine = "serial"

  let executor: Executor
  var bank = BankModel()
  fileprivate var storage: StorageModel
  fileprivate(set) var height: Height = 0

  init(disk: SimulatedDisk, genesis: Genesis, planted: Set<PlantedBug>) throws {
    storage = StorageModel(
      replicas: genesis.committee.size, administrators: genesis.administrators.count)
    executor = try Executor(
      directory: Self.machine, vfs: disk.name, genesis: genesis, planted: planted)
  }
}

extension World {
  /// Replays what this machine's journal holds up to a height.
  func replaySerially(upTo height: Height, from machine: Machine) {
    guard let serial, let journal = machine.journal else { return }
    do {
      while serial.height < height, oracle.violations.isEmpty {
        guard let block = try journal.block(at: serial.height.next) else { return }
        try replay(block, on: serial)
      }
    } catch {
      oracle.report(.state, nil, nil, "the serial replay fails: \(error)")
    }
  }

  private func replay(_ block: Block, on serial: SerialReplay) throws {
    let height = block.header.height
    let digest = block.header.digest
    if digest != oracle.chain.digest(at: height) {
      oracle.report(.agreement, nil, nil, "a journal gives another block of height \(height)")
      return
    }
    let outcome = try serial.executor.execute(block, digest: digest)
    serial.height = height
    oracle.replayed(outcome)
    let receipts = try block.header.calls.map { try serial.executor.receipt(of: $0)?.receipt }
    for flaw in serial.bank.apply(block, receipts: receipts) {
      oracle.report(.exactlyOnce, nil, nil, flaw)
    }
    for account in serial.executor.accounts {
      if let flaw = serial.storage.follow(account, at: block.header.time) {
        oracle.report(.cycles, nil, nil, "at height \(height) \(flaw)")
      }
    }
    serial.storage.prices.follow(block, receipts)
    oracle.conserves(
      serial.executor.totals, charged: serial.bank.charged + serial.storage.taken, at: height,
      on: nil)
  }

  /// A machine executed a height: cycles are conserved there, and the serial replay follows.
  func judgeExecution(_ height: Height, _ machine: Machine) {
    guard machine.correct, case .sql(let executor)? = machine.ledger else { return }
    if isSound(machine), executor.isLevel {
      oracle.conserves(executor.totals, charged: nil, at: height, on: machine.index)
      // Where there are two chains or two states, the books follow one of them.
      if !oracle.broke(.agreement), !oracle.broke(.state) {
        followCycles(upTo: height, machine, executor)
      }
    }
    replaySerially(upTo: height, from: machine)
  }

  /// What no later check needs: every so often.
  func forget() {
    oracle.forget(gone: machines.map(\.gone))
    cycles?.forget(below: oracle.statesFloor)
    guard let serial else { return }
    // The first client's are counted by its own story.
    for index in clients.indices.dropFirst() {
      for settled in clients[index].settled { compare(settled, of: index, with: serial) }
      clients[index].settled = []
    }
  }

  /// At the end: the rest of the log, then what clients hold and what lies in the files.
  func checkSerially() {
    guard let serial else { return }
    for machine in machines where machine.correct {
      replaySerially(upTo: oracle.states.height, from: machine)
    }
    guard oracle.violations.isEmpty else { return }
    if serial.height < oracle.states.height {
      oracle.report(
        .exactlyOnce, nil, nil,
        "no correct replica holds block \(serial.height.next) any more")
      return
    }
    do {
      for client in clients {
        for settled in client.settled { compare(settled, of: client.index, with: serial) }
        for (transfer, kind) in client.mischief.forbidden
        where serial.bank.transfers[transfer] != nil {
          oracle.report(
            .exactlyOnce, nil, nil,
            "transfer \(transfer) of a call that is \(kind.rawValue) is in the state")
        }
      }
      readRest()
      try compareRows(with: serial)
      if oracle.violations.isEmpty { statistics.replayed = serial.height }
    } catch {
      oracle.report(.state, nil, nil, "reading what was replayed fails: \(error)")
    }
  }

  /// A held receipt is the serial one, and its transfers are there if it says so.
  private func compare(
    _ settled: Client.Settled, of client: Int, with serial: SerialReplay
  ) {
    guard let held = settled.receipt, held.height <= serial.height else { return }
    if (try? serial.executor.receipt(of: settled.digest))?.receipt != held {
      oracle.report(
        .exactlyOnce, nil, nil,
        "client \(client) holds a receipt of height \(held.height) for \(settled.digest) "
          + "which the serial replay does not give")
    }
    var isApplied = false
    if case .applied = held.status { isApplied = settled.oddity != .negative }
    for id in settled.transfers where (serial.bank.transfers[id] != nil) != isApplied {
      oracle.report(
        .exactlyOnce, nil, nil,
        "transfer \(id) was \(isApplied ? "acknowledged and is not" : "refused and is") there")
    }
  }

  /// The rows in the files of the replay and of every sound replica at its height, read by plain
  /// SQL, are those of the model.
  private func compareRows(with serial: SerialReplay) throws {
    guard !serial.bank.transfers.isEmpty else { return }
    try compareRows(of: SerialReplay.machine, nil, with: serial.bank)
    for machine in machines where isSound(machine) && machine.power == .up {
      guard case .sql(let executor)? = machine.ledger, executor.height == serial.height else {
        continue
      }
      try compareRows(of: machine.name, machine.index, with: serial.bank)
    }
  }

  /// Which rows hold what nobody wrote, as a plain look at the file tells.
  func noteAltered(of machine: Machine, _ file: Connection) {
    let chosen =
      "SELECT transfer_id, amount FROM \(Bank.table) WHERE transfer_id IN "
      + "(SELECT min(transfer_id) FROM \(Bank.table) GROUP BY to_account)"
    guard let rows = try? file.prepare(chosen) else { return }
    while (try? rows.step()) == true { machine.alteredAmounts[rows.text(0)] = rows.integer(1) }
  }

  /// A rebuilt replica tells the first row of each table that differs: of the table of transfers
  /// the first that was altered, with what was written there and what the model says.
  func judge(_ differences: [StateDifference], of machine: Machine) {
    defer { machine.alteredAmounts = [:] }
    guard machine.correct, !oracle.excused.contains(machine.index),
      let first = machine.alteredAmounts.min(by: { $0.key < $1.key }),
      let written = serial?.bank.transfers[first.key]?.amount
    else { return }
    let told = differences.first { $0.file == Bank.name && $0.table == Bank.table }
    var cells: [StateDifference.Cell] = []
    if case .changed(let changed)? = told?.kind { cells = changed }
    let amount = cells.first { $0.column == "amount" }
    if told?.key.contains("'\(first.key)'") != true || cells.count != 1
      || amount?.held != "\(first.value)" || amount?.rebuilt != "\(written)"
    {
      oracle.report(
        .state, machine.index, nil,
        "rebuilds its state and tells \(told.map { "\($0)" } ?? "nothing") of its transfers, where "
          + "\(first.key) had \(first.value) for \(written)")
    }
  }

  /// What it executes and serves binds it: its files hold nothing that nobody wrote.
  func isSound(_ machine: Machine) -> Bool {
    machine.correct && !oracle.states.astray.contains(machine.index)
  }

  private func compareRows(of name: String, _ machine: Int?, with bank: BankModel) throws {
    let path = "\(name)/pipelines/\(Bank.name).sqlite"
    let connection = try Connection(path: path, access: .readOnly, vfs: disk.name)
    try withExtendedLifetime(connection) {
      var rows: [BankRow] = []
      let transfers = try connection.prepare(
        "SELECT transfer_id, to_account, amount FROM \(Bank.table)")
      while try transfers.step() {
        rows.append(BankRow(transfers.text(0), transfers.text(1), transfers.integer(2)))
      }
      let received = try connection.prepare("SELECT to_account, received, transfers FROM received")
      while try received.step() {
        rows.append(
          BankRow(received.text(0), "\(received.integer(2)) transfers", received.integer(1)))
      }
      oracle.compare(rows, with: bank, on: machine, of: name)
    }
  }
}

/// A row of the bank as a file holds it.
struct BankRow: Hashable {
  let key: String
  let text: String
  let number: Int64

  init(_ key: String, _ text: String, _ number: Int64) {
    self.key = key
    self.text = text
    self.number = number
  }

  /// A proven row of the table of transfers.
  init(_ row: CertifiedRows.Row) {
    var (texts, number): ([String], Int64) = ([], 0)
    for cell in row.cells {
      switch cell.value {
      case .text(let text): texts.append(text)
      case .int(let value): number = value
      default: break
      }
    }
    // transfer_id, from_account, to_account.
    self.init(texts.first ?? "", texts.last ?? "", number)
  }
}
