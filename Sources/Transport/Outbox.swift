import Wire

/// What waits to be sent to one peer.
///
/// - Bound: at most `framesMax` frames and `bytesMax` bytes. A new frame first displaces the oldest
///   droppable ones; when none is left, it is dropped itself.
struct Outbox {
  let framesMax: Int
  let bytesMax: Int
  private var queue: [Frame] = []
  /// Where the oldest frame is in `queue`; what is before it was taken.
  private var head = 0
  private(set) var bytes = 0

  init(framesMax: Int, bytesMax: Int) {
    self.framesMax = framesMax
    self.bytesMax = bytesMax
  }

  var count: Int { queue.count - head }
  var isEmpty: Bool { count == 0 }

  /// - Returns: what had to be dropped, the new frame itself perhaps.
  mutating func add(_ frame: Frame) -> [MessageKind] {
    if fits(frame) {
      append(frame)
      return []
    }
    var dropped: [MessageKind] = []
    var kept: [Frame] = []
    // Down to half, so that a peer that reads nothing does not cost a sweep for each message.
    for old in queue[head...] {
      if old.kind.droppable, count - dropped.count > framesMax / 2 || bytes > bytesMax / 2 {
        dropped.append(old.kind)
        bytes -= old.count
      } else {
        kept.append(old)
      }
    }
    queue = kept
    head = 0
    if fits(frame) {
      append(frame)
    } else {
      dropped.append(frame.kind)
    }
    return dropped
  }

  mutating func take() -> Frame? {
    guard head < queue.count else { return nil }
    let frame = queue[head]
    head += 1
    bytes -= frame.count
    if head == queue.count {
      queue.removeAll(keepingCapacity: queue.capacity <= 1_024)
      head = 0
    } else if head >= 1_024 {
      queue.removeFirst(head)
      head = 0
    }
    return frame
  }

  var next: Frame? { head < queue.count ? queue[head] : nil }

  mutating func removeAll() -> Int {
    let removed = count
    queue = []
    head = 0
    bytes = 0
    return removed
  }

  private func fits(_ frame: Frame) -> Bool {
    count < framesMax && (bytes + frame.count <= bytesMax || isEmpty)
  }

  private mutating func append(_ frame: Frame) {
    queue.append(frame)
    bytes += frame.count
  }
}

/// How much a peer may still send: tokens that refill with time.
///
/// - Bound: over any `t` seconds a peer gets through at most `(burst + t) · rate` messages and
///   bytes, plus on each of its connections the one read that went over.
struct RateGuard {
  private let messagesPerSecond: Double
  private let bytesPerSecond: Double
  private let burst: Double
  private var messages: Double
  private var bytes: Double
  private var refilled: UInt64

  /// - Parameter now: monotonic nanoseconds.
  init(_ limits: LinkLimits, now: UInt64) {
    messagesPerSecond = Double(limits.messagesPerSecondMax)
    bytesPerSecond = Double(limits.bytesPerSecondMax)
    burst = Double(limits.burstSeconds)
    messages = messagesPerSecond * burst
    bytes = bytesPerSecond * burst
    refilled = now
  }

  /// - Returns: nanoseconds for which not to read, when the peer is over its share.
  mutating func spend(messages count: Int, bytes size: Int, now: UInt64) -> UInt64? {
    let seconds = Double(now - min(now, refilled)) / 1e9
    refilled = now
    messages = min(messagesPerSecond * burst, messages + seconds * messagesPerSecond)
    bytes = min(bytesPerSecond * burst, bytes + seconds * bytesPerSecond)
    messages -= Double(count)
    bytes -= Double(size)
    let wait = max(-messages / messagesPerSecond, -bytes / bytesPerSecond)
    return wait > 0 ? UInt64(min(wait, 60) * 1e9) + 1_000_000 : nil
  }
}
