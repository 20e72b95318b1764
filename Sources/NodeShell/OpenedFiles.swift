import Certification
import Execution
import Foundation
import Glibc
import Journaling
import Logging
import Replication
import Signing
import Synchronization
import Wire

/// A replica's files, opened, and what they say of its past.
///
/// - Safety: a journal that is missing is a lost log unless the folder says that its key is new,
///   and the replica recovers by rule R9 instead of voting as if it were new.
struct OpenedFiles {
  let journal: Journal
  let journalReader: JournalReader
  let executor: Executor
  let restored: Restored
  /// What became of a quarantine, for people.
  let quarantineTold: [String]
  let coreConfiguration: Configuration

  init(_ configuration: NodeConfiguration, logger: Logger) throws(NodeFault) {
    let isFirstStart = try OpenedFiles.isFirstStart(configuration)
    let found: Restored
    do {
      journal = try Journal(
        path: configuration.journalFile.path, vfs: nil, firstStart: isFirstStart)
      found = try journal.restore()
      journalReader = try JournalReader(path: configuration.journalFile.path, vfs: nil)
    } catch {
      throw NodeFault(
        "the journal \(configuration.journalFile.path) cannot be opened: \(error). If the disk is "
          + "sound, move the state folder away and start again: the replica then recovers from "
          + "the others")
    }
    (restored, quarantineTold) = try QuarantineEnd(
      configuration: configuration, journal: journal, logger: logger
    ).seek(found)
    do throws(ExecutionFault) {
      executor = try Executor(
        directory: configuration.stateDirectory.path, vfs: nil,
        genesis: configuration.network.genesis)
    } catch {
      let quarantine = quarantineTold.map { ". This replica is in quarantine: \($0)" }.joined()
      throw NodeFault(
        "the pipelines' files in \(configuration.stateDirectory.path) cannot be opened: "
          + "\(error)\(quarantine)")
    }
    do throws(ExecutionFault) { try executor.judge(try EngineFingerprint.own()) } catch {
      throw NodeFault(error.description)
    }
    let (folder, room) = (configuration.stateDirectory.path, configuration.journalRoomBytes)
    executor.hasRoom = { (Machine.freeBytes(at: folder) ?? .max) >= room }
    try OpenedFiles.check(executor, restored.quarantine)
    try OpenedFiles.noteStart(configuration)
    var core = Configuration(
      committee: configuration.network.committee, me: configuration.me,
      signer: .ed25519(configuration.key), verifier: .ed25519,
      genesisRoot: Executor.genesisRoot(of: configuration.network.genesis),
      genesisTime: configuration.network.genesis.time, firstStart: isFirstStart,
      executedHeight: executor.height, nonce: OpenedFiles.nonce())
    core.delay = .milliseconds(configuration.settings.delayMilliseconds)
    coreConfiguration = core
  }

  /// A quarantine that is over ended with other files than those that were wrong.
  private static func check(
    _ executor: Executor, _ quarantine: Quarantine?
  ) throws(NodeFault) {
    guard let quarantine, quarantine.isOver else { return }
    let statement = quarantine.certificate.statement
    do throws(ExecutionFault) {
      guard let outcome = try executor.outcome(at: statement.height) else { return }
      if outcome.stateRoot == statement.stateRoot, outcome.receiptsRoot == statement.receiptsRoot {
        return
      }
    } catch {
      throw NodeFault("the outcome of height \(statement.height) cannot be read: \(error)")
    }
    throw NodeFault(
      "the pipelines' files are those that differed from the state certified at height "
        + "\(statement.height), and the ones rebuilt since are gone. Move system.sqlite and "
        + "pipelines out of the state folder and start again: this replica then executes its log "
        + "anew")
  }

  private static func isFirstStart(_ configuration: NodeConfiguration) throws(NodeFault) -> Bool {
    let marker = configuration.markerFile
    guard FileManager.default.fileExists(atPath: marker.path) else {
      // A key that was put into another folder may have voted already.
      guard FileManager.default.fileExists(atPath: configuration.newFile.path) else { return false }
      try requireOriginal(configuration)
      return true
    }
    let subnet = try ReplicaFolder.text(marker, limit: NodeLimits.keyFileBytesMax)
      .trimmingCharacters(in: .whitespacesAndNewlines)
    guard subnet == configuration.network.subnet.hex else {
      throw NodeFault(
        "\(configuration.directory.path) has served subnet \(subnet.prefix(8)), network.json is of "
          + "\(configuration.network.subnet): put the right network.json there, or use a new folder"
      )
    }
    return false
  }

  /// A copy that was made before the first start says for ever that there was none. An empty `new`
  /// is somebody's word that there was none indeed.
  private static func requireOriginal(_ configuration: NodeConfiguration) throws(NodeFault) {
    let new = configuration.newFile
    let told = try ReplicaFolder.text(new, limit: NodeLimits.keyFileBytesMax)
    guard !told.isEmpty, told != ReplicaFolder.newText(configuration.directory) else { return }
    throw NodeFault(
      "\(configuration.directory.path) is a copy of the folder that its replica was made in, and "
        + "\(new.path) says that the replica has never run, as it was when the copy was made. "
        + "If it has run since, remove \(new.path): it then recovers from the others, and "
        + "contradicts nothing that it signed. If it never has, empty it: truncate -s 0 "
        + new.path)
  }

  /// From here on the key is not new any more.
  private static func noteStart(_ configuration: NodeConfiguration) throws(NodeFault) {
    if !FileManager.default.fileExists(atPath: configuration.markerFile.path) {
      try ReplicaFolder.write(
        Array((configuration.network.subnet.hex + "\n").utf8), to: configuration.markerFile)
    }
    let new = configuration.newFile.path
    guard unlink(new) != 0, errno != ENOENT else { return }
    throw NodeFault(
      "cannot remove \(new): \(String(cString: strerror(errno))). Check the owner of its folder")
  }

  private static func nonce() -> Digest {
    var random = SystemRandomNumberGenerator()
    return sha256((0..<32).map { _ in UInt8.random(in: 0...255, using: &random) })
  }
}

/// Keeps a second process from a replica's files until it is released, and other users always.
package final class FolderLock: Sendable {
  private let descriptor: Mutex<Int32>

  package init(_ folder: URL) throws(NodeFault) {
    try ReplicaFolder.makePrivate(folder)
    let path = folder.appending(path: "lock").path
    let opened = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0o600)
    guard opened >= 0 else {
      throw NodeFault("cannot write \(path): \(String(cString: strerror(errno))). Check its owner")
    }
    guard flock(opened, LOCK_EX | LOCK_NB) == 0 else {
      close(opened)
      throw NodeFault(
        "another process runs the replica of \(folder.path): stop it first. Two of one replica "
          + "would sign what excludes each other")
    }
    descriptor = Mutex(opened)
  }

  package func release() {
    descriptor.withLock { descriptor in
      if descriptor >= 0 { close(descriptor) }
      descriptor = -1
    }
  }

  deinit { release() }
}
