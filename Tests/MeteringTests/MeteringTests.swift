import Metering
import Testing
import Wire

private func usage(_ set: (inout Usage) -> Void) -> Usage {
  var usage = Usage()
  set(&usage)
  return usage
}

@Suite struct `The price table` {
  private let thirteen = PriceTable.standard(replicas: 13)

  @Test func `charges the design's prices with 13 replicas`() {
    #expect(thirteen.ingress(bytes: 0) == 1_200_000)
    #expect(thirteen.ingress(bytes: 10) == 1_220_000)
    #expect(thirteen.update(Usage()) == 6_200_000)
    let parts: [(Usage, UInt64)] = [
      (usage { $0.ingressBytes = 1 }, 2_000), (usage { $0.steps = 1 }, 100),
      (usage { $0.functionBytes = 1 }, 4), (usage { $0.rowsWritten = 1 }, 20_000),
      (usage { $0.rowBytesWritten = 1 }, 20), (usage { $0.indexEntriesWritten = 1 }, 5_000),
      (usage { $0.hashes = 1 }, 1_000), (usage { $0.receiptBytes = 1 }, 1_000),
    ]
    for (usage, price) in parts {
      #expect(thirteen.update(usage) == Cycles(6_200_000 + price))
    }
    #expect(thirteen.deploy(Usage(), first: true) == 500_005_000_000)
    #expect(thirteen.deploy(Usage(), first: false) == 1_005_000_000)
    #expect(thirteen.transfer == 100_000_000)
  }

  @Test func `says how many bytes of rows some cycles pay`() {
    #expect(thirteen.rowBytes(within: 20_019) == 1_000)
    // 1,000 bytes cost 80,000 / 13, rounded up.
    let four = PriceTable.standard(replicas: 4)
    #expect(four.rowBytes(within: 6_154) == 1_000)
    #expect(four.rowBytes(within: 6_153) == 999)
    #expect(four.rowBytes(within: 0) == 0)
    #expect(thirteen.changed(["row-byte": 0])?.rowBytes(within: 1) == .max)
  }

  @Test(arguments: [(13, 100), (26, 200), (4, 31), (1, 8), (40, 308)])
  func `scales with the replicas and rounds up once`(replicas: Int, step: UInt64) {
    let prices = PriceTable.standard(replicas: replicas)
    let base = UInt128(6_200_000) * UInt128(replicas)
    let (one, thousand) = (usage { $0.steps = 1 }, usage { $0.steps = 1_000 })
    #expect(prices.update(one).number == UInt64((base + 100 * UInt128(replicas) + 12) / 13))
    #expect(
      prices.update(thousand).number == UInt64((base + 100_000 * UInt128(replicas) + 12) / 13))
    #expect(prices.lines.first { $0.unit == "step" }?.price == Cycles(step))
    #expect(prices.transfer == 100_000_000)
  }

  @Test func `charges storage by the GiB and second`() {
    #expect(thirteen.storage(bytes: 1 << 30, seconds: 1) == 127_000)
    #expect(thirteen.storage(bytes: 1 << 30, seconds: 600) == 76_200_000)
    #expect(thirteen.storage(bytes: 1 << 20, seconds: 600) == 74_415)
    #expect(thirteen.storage(bytes: 1, seconds: 1) == 1)
    #expect(thirteen.storage(bytes: 0, seconds: 600) == 0)
  }

  @Test func `never overflows: what cannot be counted cannot be paid`() {
    let all = usage {
      $0.ingressBytes = .max
      $0.steps = .max
      $0.functionBytes = .max
      $0.rowsWritten = .max
      $0.rowBytesWritten = .max
      $0.indexEntriesWritten = .max
      $0.hashes = .max
      $0.receiptBytes = .max
    }
    for replicas in [1, 13, 128] {
      let prices = PriceTable.standard(replicas: replicas)
      #expect(prices.update(all) == Cycles(.max))
      #expect(prices.deploy(all, first: true) == Cycles(.max))
      #expect(prices.ingress(bytes: .max) == Cycles(.max))
      #expect(prices.storage(bytes: .max, seconds: .max) == Cycles(.max))
    }
  }

  @Test func `is read back from its bytes, hostile prices too`() throws {
    let bytes = thirteen.canonicalBytes
    #expect(try PriceTable(canonicalBytes: bytes) == thirteen)
    var hostile = bytes
    for index in (bytes.count - 14 * 8)..<bytes.count { hostile[index] = 0xff }
    let prices = try PriceTable(canonicalBytes: hostile)
    #expect(prices.update(usage { $0.steps = .max }) == Cycles(.max))
    #expect(prices.deploy(Usage(), first: true) == Cycles(.max))
    #expect(prices.storage(bytes: .max, seconds: .max) == Cycles(.max))
    for count in bytes.indices {
      #expect(throws: Malformed.self) { try PriceTable(canonicalBytes: Array(bytes.prefix(count))) }
    }
  }

  @Test func `is changed by keys, each of them one price`() throws {
    for key in PriceTable.keys {
      let next = try #require(thirteen.changed([key: 7_777]))
      #expect(next.version == thirteen.version + 1)
      let changed = zip(thirteen.lines, next.lines).filter { $0.base != $1.base }
      #expect(changed.map(\.1.key) == [key])
      #expect(changed.map(\.1.base) == [7_777])
      #expect(try PriceTable(canonicalBytes: next.canonicalBytes) == next)
    }
    #expect(thirteen.changed(["steps": 1]) == nil)
  }

  @Test func `holds from the block after its change, and storage up to the change's time`() throws {
    let dear = try #require(thirteen.changed(["step": 200]))
    let dearer = try #require(dear.changed(["step": 300]))
    var schedule = PriceSchedule(replicas: 13)
    schedule.add(.init(height: 5, time: 500, table: dear))
    schedule.add(.init(height: 9, time: 900, table: dearer))
    #expect([1, 5, 6, 9, 10].map { schedule.table(at: $0).step } == [100, 100, 200, 200, 300])
    #expect(schedule.newest == dearer)
    func spans(_ start: Moment, _ end: Moment) -> [[UInt64]] {
      schedule.spans(after: start, to: end).map { [$0.end.number, $0.table.step.number] }
    }
    #expect(spans(0, 400) == [[400, 100]])
    #expect(spans(0, 1_000) == [[500, 100], [900, 200], [1_000, 300]])
    #expect(spans(500, 900) == [[900, 200]])
    #expect(spans(600, 901) == [[900, 200], [901, 300]])
    #expect(spans(950, 2_000) == [[2_000, 300]])
    #expect(try PriceSchedule(canonicalBytes: schedule.canonicalBytes) == schedule)
  }

  @Test func `adds usage part by part`() {
    var sum = usage { $0.steps = 5 }
    sum += usage { ($0.steps, $0.hashes) = (7, 1) }
    #expect(sum == usage { ($0.steps, $0.hashes) = (12, 1) })
    sum += usage { $0.steps = .max }
    #expect(sum.steps == .max)
  }
}

@Suite struct `An account` {
  @Test func `gives back what a reservation did not use`() throws {
    var account = Account(balance: 1_000)
    guard let reservation = account.reserve(600) else {
      Issue.record("the balance suffices")
      return
    }
    #expect(account == Account(balance: 400, reserved: 600))
    let charged = account.settle(reservation, used: 250)
    #expect(charged == 250)
    #expect(account == Account(balance: 750, burned: 250))
  }

  @Test func `takes no more than was reserved`() {
    var account = Account(balance: 1_000)
    if let reservation = account.reserve(600) {
      let charged = account.settle(reservation, used: 5_000)
      #expect(charged == 600)
    }
    #expect(account == Account(balance: 400, burned: 600))
  }

  @Test func `reserves, withdraws and deposits only what can be`() {
    var account = Account(balance: 10)
    if let reservation = account.reserve(11) {
      Issue.record("\(reservation.amount) of 10 cycles")
    }
    var done = [account.withdraw(11), account.deposit(Cycles(.max))]
    #expect(done == [false, false])
    #expect(account == Account(balance: 10))
    done = [account.withdraw(10), account.deposit(3)]
    #expect(done == [true, true])
    let taken = account.charge(7)
    #expect(taken == 3)
    #expect(account == Account(balance: 0, burned: 3))
  }

  @Test(arguments: 0..<8 as Range<UInt64>)
  func `loses and makes nothing, whatever is done`(seed: UInt64) {
    var state = seed &+ 1
    func roll(_ sides: UInt64) -> UInt64 {
      state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
      return (state >> 33) % sides
    }
    var accounts = [Account(balance: 10_000), Account(balance: 500), Account(balance: 0)]
    var minted: UInt64 = 10_500
    for _ in 0..<500 {
      let (from, to) = (Int(roll(3)), Int(roll(3)))
      let amount = Cycles(roll(400))
      switch roll(4) {
      case 0:
        if let reservation = accounts[from].reserve(amount) {
          accounts[from].settle(reservation, used: Cycles(roll(500)))
        }
      case 1:
        let moved = !accounts[from].withdraw(amount) || accounts[to].deposit(amount)
        #expect(moved)
      case 2: accounts[from].charge(amount)
      default:
        let deposited = accounts[to].deposit(amount)
        #expect(deposited)
        minted += amount.number
      }
      var totals = CycleTotals()
      totals.mint(Cycles(minted))
      for account in accounts { totals.count(account) }
      #expect(totals.isConserved, "\(totals)")
      totals.mint(1)
      #expect(!totals.isConserved)
    }
  }
}

@Suite struct `A freezing pipeline` {
  private let freezing = Freezing(prices: .standard(replicas: 13))

  @Test func `keeps 30 days of storage and the ingress of one call`() {
    let gibibyte: UInt64 = 1 << 30
    let idle: UInt64 = 127_000 * 30 * 86_400
    let ingress: UInt64 = 1_200_000 + 2_000 * (1 << 20)
    #expect(freezing.threshold(logicalBytes: gibibyte) == Cycles(idle + ingress))
    #expect(freezing.threshold(logicalBytes: 0) == Cycles(ingress))
  }

  @Test func `begins where a call would leave less than the threshold`() {
    let threshold = freezing.threshold(logicalBytes: 1_000_000)
    let enough = Cycles(threshold.number + 50)
    #expect(!freezing.freezes(balance: enough, cost: 50, logicalBytes: 1_000_000))
    #expect(freezing.freezes(balance: enough, cost: 51, logicalBytes: 1_000_000))
    #expect(freezing.freezes(balance: enough, cost: Cycles(.max), logicalBytes: 1_000_000))
  }

  @Test func `says what ends it, and not with the next call again`() {
    let refusal = freezing.refusal(pipeline: "bank", balance: 10, cost: 5, logicalBytes: 0)
    let ample = 2 * freezing.threshold(logicalBytes: 0).number + 5 - 10
    #expect(refusal.code == "FROZEN")
    #expect(refusal.message.hasSuffix("quorate cycles top-up bank \(ample)"))
  }

  @Test func `is told apart from one that has too little for one call alone`() {
    let threshold = freezing.threshold(logicalBytes: 0)
    let some = freezing.refusal(
      pipeline: "bank", balance: Cycles(threshold.number + 1_000), cost: 5_000, logicalBytes: 0)
    #expect(some.message.contains("bank is frozen for this call: cheaper ones go on. "))
    #expect(some.message.contains("reserves 5,000, the most that it may cost: 4,000 are missing"))
    let none = freezing.refusal(pipeline: "bank", balance: 0, cost: 5, logicalBytes: 0)
    #expect(none.message.contains("bank is frozen: it takes no updates below what keeps it. "))
  }

  @Test func `counts days and storage periods`() {
    let threshold = freezing.threshold(logicalBytes: 1 << 30)
    let daily: UInt64 = 127_000 * 86_400
    let balance = Cycles(threshold.number + 3 * daily + 1)
    #expect(freezing.daysLeft(balance: balance, logicalBytes: 1 << 30) == 3)
    #expect(freezing.daysLeft(balance: 0, logicalBytes: 1 << 30) == 0)
    #expect(freezing.daysLeft(balance: 5, logicalBytes: 0) == nil)
    #expect(Freezing.storagePeriods(after: 599_999, to: 600_000) == 1)
    #expect(Freezing.storagePeriods(after: 600_000, to: 1_199_999) == 0)
    #expect(Freezing.storagePeriods(after: 0, to: 6_000_000) == 10)
    #expect(Freezing.storagePeriods(after: 5, to: 5) == 0)
    #expect(Freezing.storagePeriods(after: 9, to: 5) == 0)
  }
}
