/// What will happen and when, in one order: by time, then by the order in which it was planned.
///
/// - Safety: ties never depend on memory layout or hashing.
/// - Bound: logarithmic in the number of planned events.
struct Agenda<Entry> {
  private struct Key {
    let time: UInt64
    /// The order above, the slot in the lowest `slotBits`.
    let rank: UInt64

    func precedes(_ other: Key) -> Bool {
      time != other.time ? time < other.time : rank < other.rank
    }

    var slot: Int { Int(rank & (1 << Agenda.slotBits - 1)) }
  }

  /// At most so many events are planned at a time, as a power of two; 2^40 in all.
  private static var slotBits: UInt64 { 24 }
  /// Children of a place in the heap.
  private static var width: Int { 4 }

  private var heap: [Key] = []
  private var slots: [Entry?] = []
  private var free: [Int] = []
  private var planned: UInt64 = 0

  var count: Int { heap.count }
  /// Microseconds of the next event.
  var nextTime: UInt64? { heap.first?.time }

  mutating func plan(_ entry: Entry, at time: UInt64) {
    let slot: Int
    if let reused = free.popLast() {
      slot = reused
      slots[slot] = entry
    } else {
      slot = slots.count
      precondition(slot < 1 << Self.slotBits, "\(slot) events are planned")
      slots.append(entry)
    }
    planned += 1
    heap.append(Key(time: time, rank: planned << Self.slotBits | UInt64(slot)))
    rise(heap.count - 1)
  }

  mutating func next() -> (time: UInt64, entry: Entry)? {
    guard let first = heap.first else { return nil }
    let last = heap.removeLast()
    if !heap.isEmpty { sink(last) }
    free.append(first.slot)
    guard let entry = slots[first.slot] else { return nil }
    slots[first.slot] = nil
    return (first.time, entry)
  }

  private mutating func rise(_ start: Int) {
    heap.withUnsafeMutableBufferPointer { heap in
      var child = start
      let key = heap[child]
      while child > 0 {
        let parent = (child - 1) / Self.width
        guard key.precedes(heap[parent]) else { break }
        heap[child] = heap[parent]
        child = parent
      }
      heap[child] = key
    }
  }

  /// Puts a key in the root's place and lets it sink.
  private mutating func sink(_ key: Key) {
    heap.withUnsafeMutableBufferPointer { heap in
      var parent = 0
      while true {
        let first = parent * Self.width + 1
        guard first < heap.count else { break }
        var least = first
        for child in first + 1..<max(first + 1, min(first + Self.width, heap.count))
        where heap[child].precedes(heap[least]) {
          least = child
        }
        guard heap[least].precedes(key) else { break }
        heap[parent] = heap[least]
        parent = least
      }
      heap[parent] = key
    }
  }
}
