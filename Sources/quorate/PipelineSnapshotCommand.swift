import ArgumentParser
import Certification
import Execution
import Foundation
import Glibc
import NodeShell
import QuorateClient
import Wire

extension PipelineCommand {
  struct Snapshot: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "A certified copy of all that a pipeline holds, as a plain SQLite file.",
      discussion: """
        For the owner alone, since personal columns stand in it as they are. It is of one certified
        height and is checked, row by row, before it is written; 'quorate verify FILE' checks it
        again at any time, offline. Any SQLite tool reads it. A pipeline that is frozen or archived
        gives one as well, and nobody pays for it.

          quorate pipeline snapshot my_pipeline my_pipeline.sqlite
          quorate verify my_pipeline.sqlite
        """)
    @OptionGroup var location: ClusterLocation
    @OptionGroup var caller: Caller
    @OptionGroup var recency: RecencyOptions
    @Argument(help: "The pipeline.") var pipeline: String
    @Argument(help: "The file to write.") var file: String
    @Flag(help: "Write over a file that is there.") var force = false
    @Flag(help: "For programs.") var json = false

    func run() async throws {
      let target = URL(filePath: file).standardizedFileURL
      guard force || !FileManager.default.fileExists(atPath: target.path) else {
        throw SnapshotCopy.isThere(file)
      }
      let session = try Session(location, caller)
      var copy = SnapshotCopy(
        of: pipeline, beside: target, check: ClientCheck(committee: session.network.committee))
      defer { copy.discard() }
      do {
        _ = try await session.client.snapshot(of: pipeline, into: &copy, recency: recency.wanted)
      } catch let failure as ClientFailure {
        // Says what there is instead.
        if failure.code == "UNKNOWN_PIPELINE" { _ = try await session.pipeline(pipeline) }
        throw Failure(await session.explained(failure))
      }
      await session.client.close()
      guard let checked = copy.checked else { throw Failure("Nothing came of \(pipeline).") }
      try copy.move(to: target, force: force)
      let report = SnapshotReport(checked, session.network)
      Terminal.say(
        json
          ? try Terminal.json(report)
          : "\(report.text)\nIt is in \(file). Check it at any time: quorate verify \(file)")
    }
  }
}

/// A snapshot on its way to its file: beside it, for its owner's eyes, until it was checked.
struct SnapshotCopy: SnapshotSink {
  private let partial: URL
  private let check: ClientCheck
  private let title: String
  private let freeBytes: () -> UInt64?
  private var writer: SnapshotWriter?
  private var bar: ProgressBar
  private var rows = 0
  /// Once every row was read back and led to the certified roots.
  private(set) var checked: CheckedSnapshot?

  /// - Parameter freeBytes: of the disk that a folder is on; nil when nobody says.
  init(
    of pipeline: String, beside target: URL, check: ClientCheck,
    freeBytes: @escaping (String) -> UInt64? = Machine.freeBytes
  ) {
    let folder = target.deletingLastPathComponent()
    partial = folder.appending(
      path: ".\(target.lastPathComponent).\(ProcessInfo.processInfo.processIdentifier).partial")
    self.freeBytes = { freeBytes(folder.path) }
    self.check = check
    title = pipeline
    bar = ProgressBar("\(pipeline): copying", unit: "rows", total: nil)
  }

  mutating func begin(_ seal: SnapshotSeal) throws {
    discard()
    (rows, checked) = (0, nil)
    guard !isDiskShort else { throw tooSmall("") }
    // Made by its mode, so that nobody has it open when rows come.
    let descriptor = open(partial.path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o600)
    guard descriptor >= 0, close(descriptor) == 0 else {
      throw Failure(
        "Cannot write in \(partial.deletingLastPathComponent().path): make the folder, or name "
          + "another one.")
    }
    writer = try believed { () throws(SnapshotFault) in
      try SnapshotWriter(path: partial.path, seal: seal)
    }
  }

  mutating func take(_ part: SnapshotPart) throws {
    guard !isDiskShort else { throw noRoom() }
    try believed { () throws(SnapshotFault) in try writer?.add(part) }
    rows += part.tables.reduce(0) { $0 + $1.rows.count }
    bar.show(rows)
  }

  mutating func finish() throws {
    try believed { () throws(SnapshotFault) in try writer?.finish() }
    writer = nil
    bar.finish()
    var reading = ProgressBar("\(title): checking", unit: "rows", total: rows)
    checked = try believed { () throws(SnapshotFault) in
      try SnapshotFile.check(partial.path, by: check) { reading.show($0) }
    }
    reading.finish()
    do {
      let file = try FileHandle(forUpdating: partial)
      try file.synchronize()
      try file.close()
    } catch { throw Failure("Cannot write \(partial.path): \(error.localizedDescription)") }
  }

  /// Removes what is not whole.
  mutating func discard() {
    writer = nil
    bar.finish()
    try? FileManager.default.removeItem(at: partial)
  }

  /// - Parameter force: whether it may take the place of a file.
  func move(to target: URL, force: Bool) throws {
    // A link does not take the place of a file that somebody else made meanwhile.
    if !force {
      if link(partial.path, target.path) == 0 { return }
      // Some disks have no links.
      if errno == EEXIST || FileManager.default.fileExists(atPath: target.path) {
        throw Self.isThere(target.path)
      }
    }
    guard rename(partial.path, target.path) == 0 else {
      throw Failure("Cannot write \(target.path): \(String(cString: strerror(errno))).")
    }
  }

  static func isThere(_ file: String) -> Failure {
    Failure(
      "\(file) is there already, and nothing was written. Give another name, or --force to write "
        + "over it.")
  }

  /// What a replica gave wrong is its fault; what this machine cannot do ends the command.
  private func believed<R>(_ body: () throws(SnapshotFault) -> R) throws -> R {
    do throws(SnapshotFault) { return try body() } catch {
      switch error {
      case .wrong(let fault): throw fault
      case .machine(let fault) where fault.isFull: throw noRoom()
      case .machine(let fault): throw Failure("The snapshot cannot be written. \(fault)")
      }
    }
  }

  private var isDiskShort: Bool {
    freeBytes().map { $0 < ClientLimits.snapshotDiskFree } ?? false
  }

  /// Once the bookkeeping is proven, rows are bounded by what the pipeline stores, and the disk is
  /// too small for it. Until then the replica may have made up what filled the disk.
  private func noRoom() -> any Error {
    if let stored = writer?.storedBytes {
      return tooSmall(", and \(title) stores \(grouped(stored)) bytes")
    }
    return SnapshotTooLarge(
      "it gave \(counted(rows, "entry", "entries")) of bookkeeping, which nothing vouches for "
        + "until all are there, and the disk has no room for more")
  }

  private func tooSmall(_ more: String) -> Failure {
    Failure(
      "The disk of \(partial.deletingLastPathComponent().path) has no room left\(more); a snapshot "
        + "leaves \(grouped(ClientLimits.snapshotDiskFree)) bytes of it free. Nothing was kept: "
        + "free some of it, or name a file on another disk.")
  }
}

/// A snapshot that was checked, as people and programs read it.
struct SnapshotReport: Encodable {
  let verified: String
  let pipeline: String
  let subnet: String
  let height: UInt64
  let time: String
  let stateRoot: String
  let root: String
  let signers: Int
  let entries: Int
  let tables: [String: Int]
  private let network: String

  private enum CodingKeys: CodingKey {
    case verified, pipeline, subnet, height, time, stateRoot, root, signers, entries, tables
  }

  init(_ checked: CheckedSnapshot, _ network: Network) {
    let statement = checked.seal.certificate.statement
    verified = "true"
    pipeline = checked.seal.pipeline
    subnet = network.subnet.hex
    height = statement.height.number
    time = ColumnType.timestamp.text(of: .int(Int64(clamping: statement.time.number))) ?? ""
    stateRoot = statement.stateRoot.hex
    root = checked.seal.roots.data.hex
    signers = checked.seal.certificate.signers.count
    entries = checked.entries
    tables = Dictionary(uniqueKeysWithValues: checked.tables.map { ($0.name, $0.rows) })
    self.network = "\(network.name) (\(network.subnet.short))"
  }

  var text: String {
    let rows = tables.values.reduce(0, +)
    return """
      Verified: \(counted(signers, "replica")) certified the state, and this is all that \
      \(pipeline) held.
      Subnet \(network), pipeline \(pipeline), height \(height), \(time): \
      \(counted(rows, "row")) in \(counted(tables.count, "table")), \
      \(counted(entries, "entry", "entries")) of its bookkeeping.
      """
  }
}
