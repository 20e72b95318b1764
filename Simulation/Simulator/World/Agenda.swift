/// What will happen and when, in one order: by time, then by the order in which it was planned.
///
/// - Safety: ties never depend on memory layout or hashing.
/// - Bound: logarithmic in the number of planned events.
struct Agenda<Entry> {
  private struct Key {
    let time: UInt64
    let order: UInt64
    let slot: Int32

    func precedes(_ other: Key) -> Bool {
      time != other.time ? time < other.time : order < other.order
    }
  }

  private var heap: [Key] = []
  private var slots: [Entry?] = []
  private var free: [Int32] = []
  private var planned: UInt64 = 0

  var count: Int { heap.count }
  /// Microseconds of the next event.
  var nextTime: UInt64? { heap.first?.time }

  mutating func plan(_ entry: Entry, at time: UInt64) {
    let slot: Int32
    if let reused = free.popLast() {
      slot = reused
      slots[Int(slot)] = entry
    } else {
      slot = Int32(slots.count)
      slots.append(entry)
    }
    planned += 1
    heap.append(Key(time: time, order: planned, slot: slot))
    rise(heap.count - 1)
  }

  mutating func next() -> (time: UInt64, entry: Entry)? {
    guard let first = heap.first else { return nil }
    let last = heap.removeLast()
    if !heap.isEmpty {
      heap[0] = last
      sink(0)
    }
    free.append(first.slot)
    guard let entry = slots[Int(first.slot)] else { return nil }
    slots[Int(first.slot)] = nil
    return (first.time, entry)
  }

  private mutating func rise(_ start: Int) {
    var child = start
    let key = heap[child]
    while child > 0 {
      let parent = (child - 1) / 2
      guard key.precedes(heap[parent]) else { break }
      heap[child] = heap[parent]
      child = parent
    }
    heap[child] = key
  }

  private mutating func sink(_ start: Int) {
    var parent = start
    let key = heap[parent]
    while true {
      var child = parent * 2 + 1
      guard child < heap.count else { break }
      if child + 1 < heap.count, heap[child + 1].precedes(heap[child]) { child += 1 }
      guard heap[child].precedes(key) else { break }
      heap[parent] = heap[child]
      parent = child
    }
    heap[parent] = key
  }
}
