import CSQLite

/// The disks of all machines of one run, as one SQLite virtual file system.
///
/// The first part of a path names the machine: `r3/consensus.sqlite` lies on r3's disk.
///
/// - Safety: what was synced survives every crash; a handle opened before a crash can never write
///   after it, so a dying connection cannot checkpoint or delete what its successor reads.
/// - Bound: single-threaded; files live in memory until the run ends.
/// - Source: https://www.sqlite.org/vfs.html, https://www.sqlite.org/atomiccommit.html
package final class SimulatedDisk {
  /// What connections name to open files here.
  package let name: String
  private let fileSystem: UnsafeMutablePointer<sqlite3_vfs>
  private let nameBytes: UnsafeMutablePointer<CChar>
  private var machines: [MachineDisk] = []
  private var chance: RandomStream
  /// Simulated time, for SQLite's own clock.
  package var milliseconds: UInt64 = 0

  package init(seed: UInt64) {
    name = DiskNames.shared.next()
    chance = RandomStream(seed: seed, label: "disk")
    let bytes = Array(name.utf8CString)
    nameBytes = .allocate(capacity: bytes.count)
    nameBytes.initialize(from: bytes, count: bytes.count)
    fileSystem = .allocate(capacity: 1)
    fileSystem.initialize(to: sqlite3_vfs())
    SQLiteFileSystem.fill(fileSystem, name: nameBytes, disk: self)
    let result = sqlite3_vfs_register(fileSystem, 0)
    precondition(result == SQLITE_OK, "SQLite did not take the simulated disk: \(result)")
  }

  deinit {
    sqlite3_vfs_unregister(fileSystem)
    fileSystem.deallocate()
    nameBytes.deallocate()
  }

  /// The machine's disk; made when it is first named.
  package func machine(_ name: String) -> MachineDisk {
    if let found = machines.first(where: { $0.name == name }) { return found }
    let made = MachineDisk(
      name: name, chance: RandomStream(seed: chance.next(), label: "disk \(name)"))
    machines.append(made)
    return made
  }

  func machine(of path: String) -> MachineDisk {
    let end = path.firstIndex(of: "/") ?? path.endIndex
    return machine(String(path[..<end]))
  }

  func randomBytes(_ count: Int) -> [UInt8] { chance.bytes(count) }
}

/// One machine's disk, its files and what is wrong with it.
package final class MachineDisk {
  package let name: String
  private(set) var files: [MemoryFile] = []
  private var chance: RandomStream
  /// Handles of an earlier generation belong to a process that is gone.
  private(set) var generation = 0
  /// The machine is off: nothing opens.
  package private(set) var down = false
  /// After so many more writes and syncs the power goes, in the middle of what SQLite does.
  package var operationsUntilPowerLoss: Int?
  /// True once that happened.
  package private(set) var lostPower = false
  /// Writes that need more than so many bytes in all are refused as a full disk.
  package var bytesMax: Int?
  /// Every sync fails.
  package var syncFails = false
  /// So many of the next writes land at another place than meant.
  package var strayWrites = 0
  package private(set) var operations = 0

  init(name: String, chance: RandomStream) {
    self.name = name
    self.chance = chance
  }

  package var bytes: Int { files.reduce(0) { $0 + $1.size } }
  /// What the files take in this process.
  var memoryBytes: Int { files.reduce(0) { $0 + $1.memoryBytes } }

  /// The process ends here: its handles are dead, unsynced writes fare as `loss` says.
  package func crash(_ loss: PowerLoss) {
    generation += 1
    down = true
    files = files.filter { file in
      file.durable || loss == .nothing || loss != .unsynced && chance.happens(500_000)
    }
    for file in files {
      file.forgetHolders()
      file.lose(loss, chance: &chance)
    }
    operationsUntilPowerLoss = nil
  }

  /// The machine is on again.
  package func powerOn() {
    down = false
    lostPower = false
  }

  /// Everything on the disk is gone.
  package func wipe() { files = [] }

  /// Flips one bit of a file whose path ends as given, or of any file; nothing when none has bytes.
  package func flipBit(pathEnding ending: String = "") {
    let candidates = files.filter { $0.size > 0 && $0.path.hasSuffix(ending) }
    guard !candidates.isEmpty else { return }
    let file = chance.pick(candidates)
    file.flip(bit: chance.below(file.size * 8))
  }

  package var paths: [String] { files.map(\.path) }

  func file(_ path: String) -> MemoryFile? { files.first { $0.path == path } }

  func makeFile(_ path: String) -> MemoryFile {
    let file = MemoryFile(path: path)
    files.append(file)
    return file
  }

  /// Moves every file whose path begins so, at once and durably.
  func move(_ start: String, to place: String) {
    for file in files where file.path.hasPrefix(start) {
      file.rename(place + file.path.dropFirst(start.count))
    }
  }

  /// Deletes every file whose path begins so.
  func deleteAll(_ start: String) { files.removeAll { $0.path.hasPrefix(start) } }

  func delete(_ path: String) { files.removeAll { $0.path == path } }

  /// Where the next write lands when it goes astray: a sector of any file that is there.
  func stray(from file: MemoryFile, at offset: Int) -> (file: MemoryFile, offset: Int)? {
    guard strayWrites > 0 else { return nil }
    let targets = files.filter { $0.size >= MemoryFile.sectorBytes }
    guard !targets.isEmpty else { return nil }
    let target = chance.pick(targets)
    let sector = chance.below(target.size / MemoryFile.sectorBytes)
    let place = sector * MemoryFile.sectorBytes + offset % MemoryFile.sectorBytes
    guard target !== file || place != offset else { return nil }
    strayWrites -= 1
    return (target, place)
  }

  /// Counts a write, truncation or sync.
  /// - Returns: false when the power went before it.
  func operate() -> Bool {
    operations += 1
    guard let left = operationsUntilPowerLoss else { return true }
    if left <= 0 {
      down = true
      lostPower = true
      return false
    }
    operationsUntilPowerLoss = left - 1
    return true
  }
}

/// Names of disks, each given once in a process: runs in parallel must not share one.
private final class DiskNames: @unchecked Sendable {
  static let shared = DiskNames()
  private let mutex = sqlite3_mutex_alloc(SQLITE_MUTEX_FAST)
  private var count = 0

  func next() -> String {
    sqlite3_mutex_enter(mutex)
    defer { sqlite3_mutex_leave(mutex) }
    count += 1
    return "quorate-simulated-\(count)"
  }
}
