import Certification
import Gateway
import Synchronization
import Wire

/// The calls that clients of this replica follow, and who waits for which.
///
/// - Safety: a call is `done` only with a receipt that leads to the certificate beside it.
/// - Liveness: a waiter is resumed once: when its call is done or refused, or when its patience
///   ends.
/// - Bound: `trackedCallsMax` calls, the oldest settled ones forgotten first; `waitersMax` waiters.
final class CallTracker: Sendable {
  fileprivate struct Entry {
    var progress: CallProgress
    /// Its envelope is being verified, or this replica decides whether to admit it.
    var isChecking = false
    var waiters: [UInt64] = []
    /// Its number in the order of arrival.
    var arrival: UInt64 = 0
  }

  fileprivate struct Waiter {
    let call: Digest
    let deadline: UInt64
    /// Waits no longer than until the call is admitted.
    let untilAdmitted: Bool
    let resume: CheckedContinuation<CallProgress, Never>
  }

  fileprivate struct State {
    var entries: [Digest: Entry] = [:]
    /// Ascending, for forgetting; may name calls that are gone, half of all and 4,096 more at most.
    var arrivals: [(call: Digest, number: UInt64)] = []
    var arrivalNext: UInt64 = 0
    /// Tracked calls that were ordered at a height which is not certified yet.
    var ordered: [Height: [Digest]] = [:]
    var waiters: [UInt64: Waiter] = [:]
    var waiterNext: UInt64 = 0
    var isClosed = false
  }

  private let state = Mutex(State())

  var count: Int { state.withLock { $0.entries.count } }
  var waiting: Int { state.withLock { $0.waiters.count } }

  enum Admission { case new, known(CallProgress), full }

  /// Begins to follow a call that a client submits here.
  func follow(_ call: Digest) -> Admission {
    state.withLock { state in
      if let entry = state.entries[call] {
        switch entry.progress {
        case .received, .ordered, .done: return .known(entry.progress)
        // A refusal by this replica alone may be tried anew.
        case .refused, .unknown:
          state.entries[call]?.progress = .received
          state.entries[call]?.isChecking = true
          return .new
        }
      }
      let isAdded = state.add(call, Entry(progress: .received, isChecking: true))
      return isAdded ? .new : .full
    }
  }

  func progress(of call: Digest) -> CallProgress? {
    state.withLock { $0.entries[call]?.progress }
  }

  /// Waits until the call is done or refused, at most until `deadline` in monotonic nanoseconds.
  /// A call that nobody submitted here is watched for while somebody waits. Returns at once where
  /// `waitersMax` wait already.
  ///
  /// - Parameter untilAdmitted: returns already when this replica has admitted the call.
  func wait(
    for call: Digest, until deadline: UInt64, untilAdmitted: Bool = false
  ) async -> CallProgress {
    await withCheckedContinuation { continuation in
      let now: CallProgress? = state.withLock { state in
        let isRoom = !state.isClosed && state.waiters.count < NodeLimits.waitersMax
        if state.entries[call] == nil {
          // Nobody but its waiters would ever take it off again.
          guard isRoom, state.add(call, Entry(progress: .unknown)) else { return .unknown }
        }
        guard let entry = state.entries[call] else { return .unknown }
        guard isRoom, !entry.progress.isSettled, !(untilAdmitted && !entry.isChecking)
        else { return entry.progress }
        let id = state.waiterNext
        state.waiterNext += 1
        state.waiters[id] = Waiter(
          call: call, deadline: deadline, untilAdmitted: untilAdmitted, resume: continuation)
        state.entries[call]?.waiters.append(id)
        return nil
      }
      if let now { continuation.resume(returning: now) }
    }
  }

  /// This replica has admitted the call to its pool.
  func admitted(_ call: Digest) {
    let waiters = state.withLock { state -> [Waiter] in
      guard let entry = state.entries[call], entry.isChecking else { return [] }
      let ended = entry.waiters.filter { state.waiters[$0]?.untilAdmitted ?? false }
      state.entries[call]?.isChecking = false
      state.entries[call]?.waiters.removeAll { ended.contains($0) }
      return ended.compactMap { state.waiters.removeValue(forKey: $0) }
    }
    for waiter in waiters { waiter.resume.resume(returning: .received) }
  }

  /// A block with these calls is finalized.
  func ordered(_ calls: [Digest], at height: Height) {
    state.withLock { state in
      guard !state.entries.isEmpty, !calls.isEmpty else { return }
      let mine = calls.filter { state.entries[$0].map { !$0.progress.isSettled } ?? false }
      guard !mine.isEmpty else { return }
      for call in mine { state.entries[call]?.progress = .ordered(height) }
      state.ordered[height, default: []] += mine
    }
  }

  /// - Returns: the followed calls of a height that has its certificate now, each once.
  func certified(_ height: Height) -> [Digest] {
    state.withLock { $0.ordered.removeValue(forKey: height) ?? [] }
  }

  /// A call is done, refused, or known from earlier.
  func settle(_ call: Digest, _ progress: CallProgress) {
    let waiters = state.withLock { state -> [Waiter] in
      guard let entry = state.entries[call], !entry.progress.isDone else { return [] }
      state.entries[call] = Entry(progress: progress, arrival: entry.arrival)
      return entry.waiters.compactMap { state.waiters.removeValue(forKey: $0) }
    }
    for waiter in waiters { waiter.resume.resume(returning: progress) }
  }

  /// Resumes those whose patience has ended.
  func sweep(now: UInt64) {
    let ended = state.withLock { state in
      let ended = state.waiters.filter { $0.value.deadline <= now }
      return ended.map { id, waiter in
        state.waiters[id] = nil
        return (waiter, state.end(id, of: waiter.call))
      }
    }
    for (waiter, progress) in ended { waiter.resume.resume(returning: progress) }
  }

  /// Resumes everybody; nobody waits afterwards.
  func close() {
    state.withLock { $0.isClosed = true }
    sweep(now: .max)
  }
}

extension CallTracker.State {
  /// - Returns: false when there is no room.
  fileprivate mutating func add(_ call: Digest, _ entry: CallTracker.Entry) -> Bool {
    if entries.count >= NodeLimits.trackedCallsMax, !forgetOldest() { return false }
    if arrivals.count > 2 * entries.count + 4_096 { arrivals = arrivals.filter(isFollowed) }
    entries[call] = entry
    entries[call]?.arrival = arrivalNext
    arrivals.append((call, arrivalNext))
    arrivalNext += 1
    return true
  }

  private func isFollowed(_ arrival: (call: Digest, number: UInt64)) -> Bool {
    entries[arrival.call]?.arrival == arrival.number
  }

  /// Takes a waiter off a call.
  fileprivate mutating func end(_ waiter: UInt64, of call: Digest) -> CallProgress {
    guard var entry = entries[call] else { return .unknown }
    entry.waiters.removeAll { $0 == waiter }
    if case .unknown = entry.progress, entry.waiters.isEmpty {
      entries[call] = nil
    } else {
      entries[call] = entry
    }
    return entry.progress
  }

  /// Forgets the oldest settled calls, several at once since it goes through all.
  /// - Returns: false when every followed call is still on its way.
  private mutating func forgetOldest() -> Bool {
    let before = entries.count
    var left = NodeLimits.trackedCallsMax / 16
    for arrival in arrivals where left > 0 && isFollowed(arrival) {
      guard entries[arrival.call]?.progress.isSettled == true else { continue }
      entries[arrival.call] = nil
      left -= 1
    }
    arrivals = arrivals.filter(isFollowed)
    return entries.count < before
  }
}

extension CallProgress {
  var isDone: Bool { if case .done = self { true } else { false } }
  /// Nothing more is to be waited for here.
  var isSettled: Bool {
    switch self {
    case .done, .refused: true
    case .unknown, .received, .ordered: false
    }
  }
}
