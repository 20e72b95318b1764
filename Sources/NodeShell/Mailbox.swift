import Glibc

/// What threads hand to one thread: a queue with a lock and a bell.
///
/// - Liveness: whoever waits is woken by the next item, by its deadline or by `close`.
/// - Bound: none by itself; whoever posts looks at `weight` or at what `post` returns.
final class Mailbox<Item: Sendable>: @unchecked Sendable {
  private let mutex: UnsafeMutablePointer<pthread_mutex_t>
  private let bell: UnsafeMutablePointer<pthread_cond_t>
  private var items: [Item] = []
  private var weights: [Int] = []
  private var head = 0
  private var total = 0
  private var isClosed = false

  init() {
    mutex = .allocate(capacity: 1)
    bell = .allocate(capacity: 1)
    pthread_mutex_init(mutex, nil)
    var attributes = pthread_condattr_t()
    pthread_condattr_init(&attributes)
    // Deadlines must not move when somebody sets the clock.
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC)
    pthread_cond_init(bell, &attributes)
    pthread_condattr_destroy(&attributes)
  }

  deinit {
    pthread_cond_destroy(bell)
    pthread_mutex_destroy(mutex)
    bell.deallocate()
    mutex.deallocate()
  }

  private func locked<Result>(_ body: () -> Result) -> Result {
    pthread_mutex_lock(mutex)
    defer { pthread_mutex_unlock(mutex) }
    return body()
  }

  /// Items that wait.
  var count: Int { locked { items.count - head } }
  /// The sum of the weights of what waits.
  var weight: Int { locked { total } }

  /// - Returns: the weight of all that waits afterwards; nil when the mailbox is closed and the
  ///   item was dropped.
  @discardableResult
  func post(_ item: Item, weight: Int = 0) -> Int? {
    post(CollectionOfOne(item), weight: weight)
  }

  /// - Parameter weight: of each item.
  @discardableResult
  func post(_ more: some Collection<Item>, weight: Int = 0) -> Int? {
    locked {
      guard !isClosed else { return nil }
      items.append(contentsOf: more)
      weights.append(contentsOf: repeatElement(weight, count: more.count))
      total += weight * more.count
      pthread_cond_signal(bell)
      return total
    }
  }

  /// Waits for something to come.
  /// - Parameter deadline: monotonic nanoseconds; nil waits for ever.
  /// - Returns: at most `limit` items in order, none when the deadline passed; nil when the mailbox
  ///   is closed and empty.
  func take(limit: Int, until deadline: UInt64? = nil) -> [Item]? {
    locked {
      while items.count == head, !isClosed {
        guard let deadline else {
          pthread_cond_wait(bell, mutex)
          continue
        }
        var time = timespec(
          tv_sec: Int(deadline / 1_000_000_000), tv_nsec: Int(deadline % 1_000_000_000))
        if pthread_cond_timedwait(bell, mutex, &time) == ETIMEDOUT { break }
      }
      if items.count == head { return isClosed ? nil : [] }
      return remove(min(limit, items.count - head))
    }
  }

  private func remove(_ count: Int) -> [Item] {
    let end = head + count
    let taken = Array(items[head..<end])
    for weight in weights[head..<end] { total -= weight }
    head = end
    if head == items.count {
      items.removeAll(keepingCapacity: items.capacity <= 4_096)
      weights.removeAll(keepingCapacity: weights.capacity <= 4_096)
      head = 0
    } else if head >= 4_096 {
      items.removeFirst(head)
      weights.removeFirst(head)
      head = 0
    }
    return taken
  }

  /// Nothing is taken in any more; what waits can still be taken out.
  func close() {
    locked {
      isClosed = true
      pthread_cond_broadcast(bell)
    }
  }

  /// Closes, and gives what waits to `each` instead of to the taker.
  func abandon(_ each: (Item) -> Void) {
    let left = locked {
      isClosed = true
      pthread_cond_broadcast(bell)
      return remove(items.count - head)
    }
    for item in left { each(item) }
  }
}
