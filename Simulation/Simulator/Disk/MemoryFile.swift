import Glibc

/// One file of a simulated disk: what a reader sees now, and what a power loss would leave of it.
///
/// A write is volatile until the file is synced. For each sector written since then the file keeps
/// the bytes that the last sync made durable, in the order of the first writes.
///
/// - Safety: after a crash each unsynced sector is old, new, or torn at 512 bytes, never anything
///   else; what was synced is untouched.
/// - Bound: unsynced sectors cost their old bytes; a sync frees them.
final class MemoryFile {
  static let sectorBytes = 4_096
  static let atomBytes = 512
  /// Room for old bytes that a sync leaves to the next writes.
  static let oldKept = 64 * sectorBytes

  private(set) var path: String
  private(set) var size = 0
  /// The highest size so far: a log that begins anew keeps its room.
  private var sizeHighest = 0
  /// Bytes below `sizeHighest` are set; those above mean nothing.
  private var buffer: UnsafeMutablePointer<UInt8>
  private var capacity = 0
  private var durableSize = 0
  /// False until the first sync: a power loss may take the directory entry away.
  private(set) var durable = false
  /// For each sector its place in `unsynced`, or -1.
  private var places: [Int32] = []
  private var unsynced: [Unsynced] = []
  /// The old bytes of `unsynced`, a sector each.
  private var old: UnsafeMutablePointer<UInt8>
  private var oldCapacity = 0
  private(set) var locks = FileLocks()
  var shared = SharedMemory()

  /// A sector written since the last sync, and how many bytes of it were durable.
  private struct Unsynced {
    let sector: Int
    let oldCount: Int
  }

  /// Gives the file another name; whoever has it open goes on with it.
  func rename(_ path: String) { self.path = path }

  init(path: String) {
    self.path = path
    buffer = Self.grown(nil, to: Self.sectorBytes)
    capacity = Self.sectorBytes
    old = Self.grown(nil, to: Self.sectorBytes)
    oldCapacity = Self.sectorBytes
  }

  deinit {
    free(buffer)
    free(old)
  }

  /// `realloc`: large buffers are moved by their pages, not copied.
  private static func grown(
    _ memory: UnsafeMutablePointer<UInt8>?, to bytes: Int
  ) -> UnsafeMutablePointer<UInt8> {
    guard let grown = realloc(memory, bytes) else {
      preconditionFailure("no memory for \(bytes) bytes of a simulated file")
    }
    return grown.assumingMemoryBound(to: UInt8.self)
  }

  var unsyncedSectors: Int { unsynced.count }

  /// Bytes of memory: what was ever written, and the books about sectors.
  var memoryBytes: Int { sizeHighest + places.count * MemoryLayout<Int32>.size + oldCapacity }

  /// Copies what is there; the rest of `target` is zeroed.
  /// - Returns: how many bytes were there.
  func read(into target: UnsafeMutableRawPointer, count: Int, at offset: Int) -> Int {
    let there = max(0, min(count, size - offset))
    if there > 0 { target.copyMemory(from: buffer + offset, byteCount: there) }
    if there < count {
      (target + there).initializeMemory(as: UInt8.self, repeating: 0, count: count - there)
    }
    return there
  }

  func write(_ source: UnsafeRawPointer, count: Int, at offset: Int) {
    remember(from: offset, to: offset + count)
    reserve(offset + count)
    if offset > size { (buffer + size).update(repeating: 0, count: offset - size) }
    UnsafeMutableRawPointer(buffer + offset).copyMemory(from: source, byteCount: count)
    size = max(size, offset + count)
    sizeHighest = max(sizeHighest, size)
  }

  func truncate(to newSize: Int) {
    if newSize < size { remember(from: newSize, to: size) }
    reserve(newSize)
    if newSize > size { (buffer + size).update(repeating: 0, count: newSize - size) }
    size = newSize
    sizeHighest = max(sizeHighest, size)
  }

  func sync() {
    for entry in unsynced { places[entry.sector] = -1 }
    unsynced.removeAll(keepingCapacity: true)
    if oldCapacity > Self.oldKept {
      oldCapacity = Self.oldKept
      old = Self.grown(old, to: oldCapacity)
    }
    durableSize = size
    durable = true
  }

  func flip(bit: Int) {
    guard bit / 8 < size else { return }
    buffer[bit / 8] ^= 1 << UInt8(bit % 8)
  }

  /// Handles of the process that died keep the old locks and shared memory, which nobody reads.
  func forgetHolders() {
    locks = FileLocks()
    shared = SharedMemory()
  }

  /// Leaves what a power loss leaves, and takes it as durable from then on. What a process that
  /// died alone has not synced stays, for a later power loss to take.
  func lose(_ loss: PowerLoss, chance: inout RandomStream) {
    guard loss != .nothing else { return }
    defer { sync() }
    let sizeBefore = size
    let cut = loss == .tornTail ? chance.below(unsynced.count + 1) : 0
    for order in unsynced.indices {
      let fate: Fate
      switch loss {
      case .nothing: fate = .new
      case .unsynced: fate = .old
      case .tornTail: fate = order < cut ? .new : order == cut ? .torn : .old
      case .scattered: fate = chance.pick([.new, .old, .torn])
      }
      settle(order, fate, chance: &chance)
    }
    switch loss {
    case .nothing: break
    case .unsynced: size = durableSize
    case .tornTail, .scattered:
      size = chance.happens(500_000) || cut == unsynced.count && cut > 0 ? sizeBefore : durableSize
    }
    reserve(size)
  }

  private enum Fate { case new, old, torn }

  private func settle(_ order: Int, _ fate: Fate, chance: inout RandomStream) {
    guard fate != .new else { return }
    let entry = unsynced[order]
    let start = entry.sector * Self.sectorBytes
    reserve(start + Self.sectorBytes)
    let before = old + order * Self.sectorBytes
    for atom in 0..<(Self.sectorBytes / Self.atomBytes) {
      if fate == .torn && chance.happens(500_000) { continue }
      for index in (atom * Self.atomBytes)..<((atom + 1) * Self.atomBytes) {
        buffer[start + index] = index < entry.oldCount ? before[index] : 0
      }
    }
  }

  /// Keeps the durable bytes of every sector that `from ..< to` touches for the first time.
  private func remember(from start: Int, to end: Int) {
    guard end > start else { return }
    let first = start / Self.sectorBytes
    let last = (end - 1) / Self.sectorBytes
    while places.count <= last { places.append(-1) }
    for sector in first...last where places[sector] < 0 {
      let from = sector * Self.sectorBytes
      let count = max(0, min(from + Self.sectorBytes, durableSize, size) - from)
      let kept = unsynced.count * Self.sectorBytes
      if kept + Self.sectorBytes > oldCapacity {
        oldCapacity *= 2
        old = Self.grown(old, to: oldCapacity)
      }
      (old + kept).update(from: buffer + from, count: count)
      places[sector] = Int32(unsynced.count)
      unsynced.append(Unsynced(sector: sector, oldCount: count))
    }
  }

  private func reserve(_ needed: Int) {
    guard needed > capacity else { return }
    let larger = max(needed, capacity * 2)
    buffer = Self.grown(buffer, to: larger)
    capacity = larger
  }
}

/// What a crash does to writes that no sync has covered.
package enum PowerLoss: String, Sendable, CaseIterable {
  /// The process died, the machine did not: everything written stays, until the power goes.
  case nothing = "keep"
  /// Nothing that was not synced survives.
  case unsynced = "lost-unsynced"
  /// A prefix of the writes survives, the next one in part.
  case tornTail = "torn-tail"
  /// Each sector survives, or does not, or in part.
  case scattered = "scattered"
}
