/// The locks of one file among the connections of one process, as SQLite's unix files have them
/// (https://www.sqlite.org/lockingv3.html).
final class FileLocks {
  private var holders: [(handle: ObjectIdentifier, level: Int32)] = []

  private func place(of handle: ObjectIdentifier) -> Int? {
    holders.firstIndex { $0.handle == handle }
  }

  func level(of handle: ObjectIdentifier) -> Int32 {
    place(of: handle).map { holders[$0].level } ?? 0
  }

  /// Levels are SQLite's: 1 shared, 2 reserved, 3 pending, 4 exclusive.
  /// - Returns: false when another handle is in the way.
  func raise(_ handle: ObjectIdentifier, to level: Int32) -> Bool {
    let others = holders.filter { $0.handle != handle }
    let own = self.level(of: handle)
    guard level > own else { return true }
    switch level {
    case 1:
      guard !others.contains(where: { $0.level >= 3 }) else { return false }
      set(handle, 1)
    case 2:
      guard !others.contains(where: { $0.level >= 2 }) else { return false }
      set(handle, 2)
    default:
      guard !others.contains(where: { $0.level >= 2 }) else { return false }
      set(handle, 3)
      guard others.isEmpty else { return false }
      set(handle, 4)
    }
    return true
  }

  func lower(_ handle: ObjectIdentifier, to level: Int32) {
    guard self.level(of: handle) > level else { return }
    set(handle, level)
  }

  var reserved: Bool { holders.contains { $0.level >= 2 } }

  private func set(_ handle: ObjectIdentifier, _ level: Int32) {
    if let place = place(of: handle) {
      if level == 0 { holders.remove(at: place) } else { holders[place].level = level }
    } else if level > 0 {
      holders.append((handle, level))
    }
  }
}

/// The WAL index that the connections of one process share, with its eight lock bytes.
final class SharedMemory {
  static let lockCount = 8
  private(set) var regions: [UnsafeMutableRawPointer] = []
  private var sharedBy = [Int](repeating: 0, count: lockCount)
  private var exclusiveBy = [ObjectIdentifier?](repeating: nil, count: lockCount)
  var users = 0

  deinit { for region in regions { region.deallocate() } }

  /// - Returns: nil when the region is not there and must not be made.
  func region(_ index: Int, bytes: Int, extend: Bool) -> UnsafeMutableRawPointer? {
    while extend && regions.count <= index {
      let region = UnsafeMutableRawPointer.allocate(byteCount: bytes, alignment: 16)
      region.initializeMemory(as: UInt8.self, repeating: 0, count: bytes)
      regions.append(region)
    }
    return index < regions.count ? regions[index] : nil
  }

  func take(_ slots: Range<Int>, exclusive: Bool, by handle: FileHandle) -> Bool {
    let me = ObjectIdentifier(handle)
    for slot in slots {
      if let owner = exclusiveBy[slot], owner != me { return false }
      let mine = handle.sharedSlots & (1 << slot) != 0 ? 1 : 0
      if exclusive && sharedBy[slot] > mine { return false }
    }
    for slot in slots {
      if exclusive {
        exclusiveBy[slot] = me
      } else if handle.sharedSlots & (1 << slot) == 0 {
        sharedBy[slot] += 1
        handle.sharedSlots |= 1 << slot
      }
    }
    return true
  }

  func give(_ slots: Range<Int>, by handle: FileHandle) {
    for slot in slots {
      if exclusiveBy[slot] == ObjectIdentifier(handle) { exclusiveBy[slot] = nil }
      if handle.sharedSlots & (1 << slot) != 0 {
        sharedBy[slot] -= 1
        handle.sharedSlots &= ~(1 << slot)
      }
    }
  }
}
