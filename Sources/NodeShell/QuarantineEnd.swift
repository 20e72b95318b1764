import Execution
import Foundation
import Glibc
import Journaling
import Logging
import Wire

/// What becomes of a quarantine at the start of its replica: its state is rebuilt from its own log,
/// once an engine, in `state/rebuilt`.
///
/// - Safety: the quarantine ends with a record in the journal, written only after every certified
///   height of the log came to its certificate's roots in files that are durable. The old files
///   are moved to `state/quarantined-HEIGHT`, never deleted; a start goes on with moves that a
///   crash cut short.
/// - Liveness: a log that does not come to the certified state either is recorded too, and not
///   executed again with the same SQLite; one that the subnet does not accept executes nothing
///   (QD28). A failure of the machine is not recorded, and the next start tries again. In both
///   cases the replica runs in quarantine only where its old files can still be opened; where their
///   rows do not come to their own roots any more, the start ends and says both.
struct QuarantineEnd {
  let configuration: NodeConfiguration
  let journal: Journal
  let logger: Logger

  static let folderName = "rebuilt"
  static let reportName = "differences.txt"
  private static let shownMax = 1_000

  private var state: URL { configuration.stateDirectory }
  private var rebuilt: URL { state.appending(path: Self.folderName) }

  private static let asidePrefix = "quarantined-"
  static func asideName(of quarantine: Quarantine) -> String {
    "\(asidePrefix)\(quarantine.certificate.height)"
  }

  private func aside(_ quarantine: Quarantine) -> URL {
    state.appending(path: Self.asideName(of: quarantine))
  }

  /// - Parameter restored: what the journal holds.
  /// - Returns: what it holds now, and what people are told of it.
  func seek(_ restored: Restored) throws(NodeFault) -> (restored: Restored, told: [String]) {
    closeAside()
    guard let quarantine = restored.quarantine else { return (restored, []) }
    if quarantine.isOver {
      return (restored, try adopt(quarantine) ? tell(nil, quarantine) : [])
    }
    let engine = try engine()
    if let rebuild = quarantine.rebuild, rebuild.engine == engine {
      try? FileManager.default.removeItem(at: rebuilt)
      return (restored, [Self.differs(rebuild)])
    }
    logger.notice(
      "rebuilding the state from this replica's own log",
      metadata: [
        "certified": "\(quarantine.certificate.height)", "finalized": "\(restored.finalizedHeight)",
      ])
    let result: StateRebuild.Result
    do {
      result = try rebuild(quarantine, through: restored.finalizedHeight)
    } catch {
      try? FileManager.default.removeItem(at: rebuilt)
      return (restored, [failed("\(error)")])
    }
    let now: Restored
    do throws(JournalFault) {
      // From here on it counts.
      try journal.append([.rebuilt(result.verdict)])
      now = try journal.restore()
    } catch {
      // The new files stay: the record may be found on the disk all the same, and ends it then.
      return (restored, [failed("what its log came to cannot be written down: \(error)")])
    }
    guard now.quarantine?.isOver == true else {
      try? FileManager.default.removeItem(at: rebuilt)
      let told = Self.differs(result.verdict)
      logger.critical("quarantined: \(told)")
      return (now, [told])
    }
    _ = try adopt(quarantine)
    return (now, tell(result.differences, quarantine))
  }

  /// Shuts other users out of old files, wherever they are moved to. What somebody made of them
  /// since is that person's own, and nothing in a replica's way.
  private func closeAside() {
    let names = (try? FileManager.default.contentsOfDirectory(atPath: state.path)) ?? []
    for name in names where name.hasPrefix(Self.asidePrefix) {
      let folder = state.appending(path: name)
      var status = stat()
      guard lstat(folder.path, &status) == 0, status.st_mode & S_IFMT == S_IFDIR else { continue }
      do throws(NodeFault) { try ReplicaFolder.makePrivate(folder) } catch {
        logger.warning("\(error)")
      }
    }
  }

  /// That of this machine, which the subnet accepts as far as the old files tell.
  private func engine() throws(NodeFault) -> EngineFingerprint {
    do throws(ExecutionFault) {
      let own = try EngineFingerprint.own()
      try Executor.judge(own, for: configuration.network.genesis, in: state.path)
      return own
    } catch {
      throw NodeFault(error.description)
    }
  }

  private func rebuild(
    _ quarantine: Quarantine, through finalized: Height
  ) throws -> StateRebuild.Result {
    let files = FileManager.default
    if files.fileExists(atPath: rebuilt.path) { try files.removeItem(at: rebuilt) }
    try checkRoom()
    // Of an earlier quarantine at this very height.
    if files.fileExists(atPath: aside(quarantine).path) {
      var number = 1
      while files.fileExists(atPath: aside(quarantine).path + ".\(number)") { number += 1 }
      try move(aside(quarantine).path, to: aside(quarantine).path + ".\(number)")
    }
    let result = try StateRebuild(of: quarantine, genesis: configuration.network.genesis).run(
      from: state.path, into: rebuilt.path, through: finalized,
      block: { try journal.block(at: $0) }, certificate: { try journal.stateCertificate(at: $0) })
    // Before the record, so that no crash loses them.
    let lines = result.differences.map { "\($0)\n" }.joined()
    try ReplicaFolder.write(
      Array(lines.utf8), to: rebuilt.appending(path: Self.reportName), mode: 0o600)
    for folder in [rebuilt.appending(path: "pipelines"), rebuilt, state] { try sync(folder) }
    return result
  }

  /// The new files need about the room of the old ones, and leave the reserve to the journal.
  private func checkRoom() throws(NodeFault) {
    let reserve = configuration.settings.diskReserveBytes
    let (needed, isOver) = bytesHeld.addingReportingOverflow(reserve)
    guard let free = Machine.freeBytes(at: state.path), isOver || free < needed else { return }
    throw NodeFault(
      "the disk of \(state.path) has \(free >> 20) MiB left, and the new files need the "
        + "\(bytesHeld >> 20) MiB of the old ones beside the reserve of \(reserve >> 20) MiB")
  }

  private var bytesHeld: UInt64 {
    let files = FileManager.default
    let pipelines = state.appending(path: "pipelines").path
    let paths =
      ["system.sqlite", "system.sqlite-wal"].map { state.appending(path: $0).path }
      + ((try? files.contentsOfDirectory(atPath: pipelines)) ?? []).map { "\(pipelines)/\($0)" }
    return paths.reduce(0) { sum, path in
      let size = (try? files.attributesOfItem(atPath: path))?[.size] as? NSNumber
      return sum + (size?.uint64Value ?? 0)
    }
  }

  // MARK: Taking up the new files

  /// Moves the old files aside and the new ones to their place, or what is left of that to do.
  ///
  /// - Returns: false if nothing was left: a folder without a system file was taken up before.
  private func adopt(_ quarantine: Quarantine) throws(NodeFault) -> Bool {
    let files = FileManager.default
    guard files.fileExists(atPath: rebuilt.path) else { return false }
    let isLeft = files.fileExists(atPath: rebuilt.appending(path: "system.sqlite").path)
    let aside = aside(quarantine)
    if isLeft, !files.fileExists(atPath: aside.path) {
      let draft = aside.appendingPathExtension("new")
      try ReplicaFolder.makePrivate(draft)
      try moveFiles(from: state, to: draft)
      try move(draft.path, to: aside.path)
      try sync(state)
    }
    let report = rebuilt.appending(path: Self.reportName).path
    if files.fileExists(atPath: report) {
      try move(report, to: aside.appending(path: Self.reportName).path)
      try sync(aside)
    }
    try moveFiles(from: rebuilt, to: state)
    try? files.removeItem(at: rebuilt)
    try sync(state)
    return isLeft
  }

  /// Those of the executor alone.
  private func moveFiles(from: URL, to: URL) throws(NodeFault) {
    let names: [String]
    do {
      names = try FileManager.default.contentsOfDirectory(atPath: from.path)
    } catch {
      throw NodeFault("cannot read \(from.path): \(error.localizedDescription). Check its owner")
    }
    for name in names.sorted() where name == "pipelines" || name.hasPrefix("system.sqlite") {
      try move("\(from.path)/\(name)", to: "\(to.path)/\(name)")
    }
    try sync(to)
    try sync(from)
  }

  private func move(_ old: String, to new: String) throws(NodeFault) {
    guard rename(old, new) != 0 else { return }
    throw NodeFault(
      "cannot move \(old) to \(new): \(String(cString: strerror(errno))). Check the owner of both "
        + "and start again")
  }

  private func sync(_ folder: URL) throws(NodeFault) {
    let descriptor = open(folder.path, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
    defer { if descriptor >= 0 { close(descriptor) } }
    guard descriptor >= 0, fsync(descriptor) == 0 else {
      throw NodeFault("cannot sync \(folder.path): \(String(cString: strerror(errno)))")
    }
  }

  // MARK: Words

  /// - Parameter differences: nil where a start before this one found them.
  /// - Returns: what a status may say to everybody: no key and no value of a row.
  private func tell(_ differences: [StateDifference]?, _ quarantine: Quarantine) -> [String] {
    let height = quarantine.certificate.height
    let folder = aside(quarantine)
    logger.critical(
      "quarantine ended: the files were damaged and are rebuilt from this replica's own log",
      metadata: ["height": "\(height)", "old-files": "\(folder.path)"])
    for difference in differences ?? [] {
      logger.critical("a damaged row", metadata: ["difference": "\(difference)"])
    }
    let first =
      switch differences {
      case nil: ""
      case let found? where found.isEmpty:
        "; no row of them differs, so they were wrong in memory or are mended since"
      case let found?: "; the first difference is in \(found[0].place)"
      }
    return [
      Self.bounded(
        "its files differed from the state certified at height \(height) and were rebuilt from its "
          + "own log\(first). The old ones are in \(folder.lastPathComponent), with what is known "
          + "of the rows in \(Self.reportName): check this machine's disk and memory")
    ]
  }

  private func failed(_ why: String) -> String {
    let told = Self.bounded(
      "its state could not be rebuilt from its own log: \(why). Mend that and start it again")
    logger.critical("quarantined: \(told)")
    return told
  }

  private static func differs(_ rebuild: Rebuild) -> String {
    bounded(
      "its own log, executed anew, comes to the state \(rebuild.stateRoot) and the receipts "
        + "\(rebuild.receiptsRoot) at height \(rebuild.certificate.height), where "
        + "\(rebuild.certificate.statement.stateRoot) and "
        + "\(rebuild.certificate.statement.receiptsRoot) are certified: so its files are as it "
        + "executed, with \(rebuild.engine). Compare that with the others' SQLite: where it "
        + "differs, install theirs and start it, and it executes its log again. Where it does not, "
        + "install their version of quorate, keep a copy of the state folder, take it away and "
        + "start it: it then fetches everything again")
  }

  /// Short enough for a status.
  private static func bounded(_ text: String) -> String {
    guard text.utf8.count > shownMax else { return text }
    return String(decoding: Array(text.utf8.prefix(shownMax)), as: UTF8.self) + " ..."
  }
}
