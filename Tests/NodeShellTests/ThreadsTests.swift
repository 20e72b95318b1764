import Foundation
import GatewayFixture
import Synchronization
import Testing
import Wire

@testable import NodeShell

@Suite struct `A mailbox` {
  @Test func `gives what was posted in order, at most so much at once`() {
    let mailbox = Mailbox<Int>()
    mailbox.post([1, 2, 3], weight: 10)
    #expect(mailbox.post(4) == 30)
    #expect(mailbox.take(limit: 3) == [1, 2, 3])
    #expect(mailbox.weight == 0 && mailbox.count == 1)
    #expect(mailbox.take(limit: 3) == [4])
  }

  @Test func `gives nothing when the deadline passes`() {
    let mailbox = Mailbox<Int>()
    #expect(mailbox.take(limit: 1, until: Clocks.monotonic + 5_000_000) == [])
  }

  @Test func `wakes whoever waits`() {
    let mailbox = Mailbox<Int>()
    let poster = Worker("poster") { mailbox.post(7) }
    #expect(mailbox.take(limit: 1) == [7])
    poster.join()
  }

  @Test func `that is closed gives what is left, then nothing, and takes nothing in`() {
    let mailbox = Mailbox<Int>()
    mailbox.post([1, 2])
    mailbox.close()
    #expect(mailbox.post(3) == nil)
    #expect(mailbox.take(limit: 9) == [1, 2])
    #expect(mailbox.take(limit: 9) == nil)
  }

  @Test func `that is abandoned hands back what waits`() {
    let mailbox = Mailbox<Int>()
    mailbox.post([1, 2])
    var left: [Int] = []
    mailbox.abandon { left.append($0) }
    #expect(left == [1, 2])
    #expect(mailbox.take(limit: 9) == nil)
  }

  @Test func `keeps order across many posts from several threads`() {
    let mailbox = Mailbox<(Int, Int)>()
    let posters = (0..<3).map { poster in
      Worker("poster") { for number in 0..<5_000 { mailbox.post((poster, number)) } }
    }
    var next = [0, 0, 0]
    var seen = 0
    while seen < 15_000, let batch = mailbox.take(limit: 100) {
      for (poster, number) in batch {
        #expect(next[poster] == number)
        next[poster] += 1
      }
      seen += batch.count
    }
    for poster in posters { poster.join() }
    #expect(next == [5_000, 5_000, 5_000])
  }
}

@Suite struct `Armed alarms` {
  @Test func `ring once, in the order of their time`() {
    var alarms = AlarmQueue<String>()
    alarms.arm("late", at: 30)
    alarms.arm("early", at: 10)
    alarms.arm("middle", at: 20)
    #expect(alarms.next == 10)
    #expect(alarms.due(at: 9) == [])
    #expect(alarms.due(at: 20) == ["early", "middle"])
    #expect(alarms.due(at: 20) == [])
    #expect(alarms.count == 1)
  }

  @Test func `are replaced when armed again and gone when disarmed`() {
    var alarms = AlarmQueue<String>()
    alarms.arm("a", at: 10)
    alarms.arm("a", at: 50)
    alarms.arm("b", at: 20)
    alarms.disarm("b")
    #expect(alarms.due(at: 49) == [])
    #expect(alarms.due(at: 50) == ["a"])
    #expect(alarms.next == nil)
  }
}

@Suite struct `A pool for work that blocks` {
  @Test func `runs work, turns away what is over its bound, and ends`() async {
    let pool = WorkPool(limit: 1, share: 1)
    let worker = Worker("worker") { pool.loop() }
    #expect(await outcome(of: 3, "a", pool) == "did 3")
    pool.close()
    #expect(await outcome(of: 4, "a", pool) == "closed")
    worker.join()
    #expect(await outcome(of: 5, "a", WorkPool(limit: 0, share: 1)) == "full")
  }

  @Test func `keeps a share for every client, whose turns come by turns`() async throws {
    let pool = WorkPool(limit: 5, share: 3)
    let order = Order()
    try await withThrowingTaskGroup(of: Void.self) { group in
      var waiting = 0
      for (client, count) in [("a", 3), ("b", 2)] {
        for _ in 0..<count {
          group.addTask { _ = await pool.run(for: client) { order.took(client) } }
          waiting += 1
          let wanted = waiting
          try await eventually("\(wanted) pieces of work") { pool.waiting == wanted }
          if waiting == 3 { #expect(await outcome(of: 1, "a", pool) == "share full") }
        }
      }
      #expect(await outcome(of: 1, "c", pool) == "full")
      pool.close()
      // What waits is done all the same.
      pool.loop()
      try await group.waitForAll()
    }
    #expect(order.clients.withLock { $0 } == ["a", "b", "a", "b", "a"])
    #expect(pool.waiting == 0)
  }

  private final class Order: Sendable {
    let clients = Mutex<[String]>([])
    func took(_ client: String) { clients.withLock { $0.append(client) } }
  }

  private func outcome(of number: Int, _ client: String, _ pool: WorkPool) async -> String {
    switch await pool.run(for: client, { number }) {
    case .done(let value): "did \(value)"
    case .full: "full"
    case .shareFull: "share full"
    case .closed: "closed"
    }
  }
}
