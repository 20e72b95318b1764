import Metering
import Signing
import Testing
import Wire

@testable import Simulator

/// Keys of four people; the last is no administrator.
private let people = (0..<4).compactMap {
  PublicKey([UInt8](repeating: UInt8($0 + 1), count: 32))
}

/// What one block does: calls with what became of each.
private struct Line {
  let signed: SignedCall
  var status = Receipt.Status.applied
  var charged: UInt128 = 0
  var usage = Usage()
}

/// A book, and the block that it takes next.
private struct Story {
  static let list = PriceList(replicas: 4)
  let dry = DryPipeline(replicas: 4, people: people, pace: 1)
  var book = CycleBook(replicas: 4, administrators: 3)
  var height: Height = 0
  /// What the dry pipeline must have.
  var balance: UInt128 = 0
  private var serial = 0

  /// The pipeline is deployed, with cycles for so many calls and budgets for as many.
  init(units: UInt64, budget: UInt64 = 100) {
    let package = dry.package(1, budget: budget).canonicalBytes
    var deploy = Line(signed: sign(.deploy, 0, package))
    deploy.charged = Self.list.deploy(deploy.usage, isFirst: true)
    let first = dry.reserve.advanced(by: dry.units(units).number)
    precondition(follow([deploy]) == [] && topUp(first) == [])
  }

  mutating func topUp(_ amount: Cycles) -> [String] {
    var line = Line(signed: sign(.topUp(amount), 0, []))
    line.charged = Self.list[.transfer]
    balance += UInt128(amount.number)
    return follow([line])
  }

  /// An ingest of one row that took 100 steps, with the price that it has.
  mutating func ingest(by person: Int, _ list: PriceList = Self.list) -> Line {
    let body = Array("{\"drop_id\":\"a\",\"amount\":5}\n".utf8)
    let method = Method.ingest(source: DryPipeline.source, format: .ndjson)
    var line = Line(signed: sign(method, person, body))
    line.usage.ingressBytes = UInt64(body.count)
    line.usage.steps = 100
    line.charged = list.update(line.usage)
    return line
  }

  /// The same, refused and not charged.
  mutating func refused(_ code: String, by person: Int) -> Line {
    Line(signed: ingest(by: person).signed, status: .refused(Refusal(code, "")))
  }

  mutating func sign(_ method: Method, _ person: Int, _ body: [UInt8]) -> SignedCall {
    serial += 1
    let call = Call(
      subnet: .zero, pipeline: method == .prices ? "" : DryPipeline.name, method: method,
      bodyDigest: sha256(body), bodyBytes: UInt32(body.count), idempotencyKey: "\(serial)",
      sender: people[person], expiry: 100_000, stepLimit: DryPipeline.stepLimit)
    return SignedCall(call: call, body: body, signature: nil)
  }

  /// - Returns: what is wrong with a block of these calls, which leaves such an account.
  mutating func follow(_ lines: [Line], leaves: UInt128? = nil) -> [String] {
    height = height.next
    let calls = lines.map(\.signed)
    let header = Header(
      subnet: .zero, epoch: 0, view: 1, parentView: 0, parent: .zero, height: height,
      time: Moment(height.number), calls: calls.map(\.call.digest), certified: nil)
    let receipts = lines.map { line in
      if case .ingest = line.signed.call.method { balance -= line.charged }
      return Receipt(
        call: line.signed.call.digest, height: height, position: 0, time: header.time,
        pipeline: line.signed.call.pipeline, status: line.status, replayOf: nil,
        tally: RowTally(), notes: [], usage: line.usage,
        charged: Cycles(UInt64(line.charged)))
    }
    return book.follow(
      Block(header: header, calls: calls), receipts: receipts, [account(leaves ?? balance)])
  }

  func account(_ balance: UInt128) -> FileAccount {
    FileAccount(pipeline: DryPipeline.name, bytes: 0, balance: balance, taken: 0)
  }
}

@Suite struct `The oracle's book of cycles` {
  @Test func `reckons every price as the core does, and shares no line with it`() throws {
    var chance = RandomStream(seed: 1, label: "prices")
    for replicas in [4, 7, 13] {
      for version in UInt32(1)...6 {
        let dry = DryPipeline(replicas: replicas, people: people, pace: 1)
        let table =
          version == 1 ? PriceTable.standard(replicas: replicas) : try #require(dry.prices(version))
        let list = try #require(PriceList(body: table.canonicalBytes))
        #expect(list.version == version)
        if version == 1 { #expect(list == PriceList(replicas: replicas)) }
        var usage = Usage()
        usage.ingressBytes = chance.below(1_000_000 as UInt64)
        usage.steps = chance.below(1_000_000 as UInt64)
        usage.functionBytes = chance.below(1_000_000 as UInt64)
        usage.rowsWritten = chance.below(10_000 as UInt64)
        usage.rowBytesWritten = chance.below(1_000_000 as UInt64)
        usage.indexEntriesWritten = chance.below(10_000 as UInt64)
        usage.hashes = chance.below(10_000 as UInt64)
        usage.receiptBytes = chance.below(10_000 as UInt64)
        let bytes = usage.rowBytesWritten
        #expect(list.update(usage) == UInt128(table.update(usage).number))
        #expect(list.ingress(bytes) == UInt128(table.ingress(bytes: bytes).number))
        for isFirst in [true, false] {
          #expect(
            list.deploy(usage, isFirst: isFirst)
              == UInt128(table.deploy(usage, first: isFirst).number))
        }
        let freezing = Freezing(prices: table, days: 30)
        #expect(
          list.threshold(bytes, days: 30)
            == UInt128(freezing.threshold(logicalBytes: bytes).number))
        #expect(list[.transfer] == UInt128(table.transfer.number))
      }
    }
  }

  @Test func `has nothing against calls that are paid, and keeps a balance`() {
    var story = Story(units: 8)
    for person in [0, 1, 2, 3] {
      let line = story.ingest(by: person)
      #expect(story.follow([line]) == [])
    }
    #expect(story.book.tally.applied == 6 && story.book.tally.topUps == 1)
    #expect(story.book.marks.isEmpty)
  }

  @Test func `sees a call that costs more or less than it does`() {
    for change in [{ $0 - 1 }, { $0 + 1 }] as [(UInt128) -> UInt128] {
      var story = Story(units: 8)
      var line = story.ingest(by: 1)
      line.charged = change(line.charged)
      #expect(story.follow([line]).first?.contains("by the prices in force") == true)
    }
  }

  @Test func `sees a call without effect that is not charged for its bytes`() throws {
    let person = try #require(people.last)
    let refused = Receipt.Status.refused(Refusal("INSUFFICIENT_CYCLES", ""))
    let methods: [Wire.Method] = [.transfer(to: person, 5), .topUp(5), .deploy, .prices, .engines]
    for method in methods {
      var story = Story(units: 8)
      var line = Line(signed: story.sign(method, 1, Array("twelve bytes".utf8)), status: refused)
      line.charged = Story.list.ingress(12)
      #expect(story.follow([line]) == [], "\(method)")
      line.charged = 0
      #expect(
        story.follow([line]).first?.contains("by the prices in force") == true, "\(method)")
    }
  }

  @Test func `sees an account that is not what was paid, and one that differs from another's`() {
    var story = Story(units: 8)
    let line = story.ingest(by: 1)
    let other = story.balance
    #expect(story.follow([line], leaves: other).first?.contains("less what receipts") == true)
    var sound = Story(units: 8)
    #expect(sound.follow([]) == [])
    #expect(sound.book.difference([sound.account(sound.balance)], at: sound.height) == nil)
    #expect(sound.book.difference([sound.account(1)], at: sound.height) != nil)
  }

  @Test func `sees a frozen pipeline that runs a call, and one that refuses though it is not`() {
    var frozen = Story(units: 0)
    let line = frozen.ingest(by: 0)
    #expect(frozen.follow([line]).first?.contains("is frozen and pays") == true)
    var running = Story(units: 8)
    let refused = running.refused("FROZEN", by: 0)
    #expect(running.follow([refused]).first?.contains("refuses ingest/drops as FROZEN") == true)
  }

  @Test func `follows a pipeline that freezes and thaws`() {
    var story = Story(units: 0)
    let refused = story.refused("FROZEN", by: 1)
    #expect(story.follow([refused]) == [])
    #expect(story.book.marks == [.pipelineFrozen])
    #expect(story.topUp(story.dry.units(3)) == [])
    #expect(story.book.tally.thaws == 0)
    let line = story.ingest(by: 1)
    #expect(story.follow([line]) == [])
    #expect(story.book.marks == [.pipelineFrozen, .pipelineThawed])
    #expect(story.book.tally.freezes == 1 && story.book.tally.thaws == 1)
  }

  /// The second person's key is granted, the third and any other are the public; the first is the
  /// owner.
  @Test func `sees a caller over its budget, and one that is refused within it`() {
    for person in [1, 2] {
      var story = Story(units: 8, budget: 1)
      let (first, second) = (story.ingest(by: person), story.ingest(by: person))
      #expect(story.follow([first]) == [])
      #expect(story.follow([second]).first?.contains("and may burn") == true)
      var refusing = Story(units: 8, budget: 1)
      let early = refusing.refused("OVER_BUDGET", by: person)
      #expect(refusing.follow([early]).first?.contains("as OVER_BUDGET") == true)
    }
    var story = Story(units: 8, budget: 1)
    let lines = [story.ingest(by: 0), story.ingest(by: 0), story.ingest(by: 1)]
    #expect(story.follow(lines) == [])
    let over = story.refused("OVER_BUDGET", by: 1)
    #expect(story.follow([over]) == [])
    #expect(story.book.marks == [.callerOverBudget])
  }

  @Test func `bills by other prices from the block after most administrators sent them`() throws {
    var story = Story(units: 8)
    let body = try #require(story.dry.prices(2)).canonicalBytes
    let next = try #require(PriceList(body: body))
    let calls = [0, 1].map { Line(signed: story.sign(.prices, $0, body)) }
    let beside = story.ingest(by: 0)
    #expect(story.follow([calls[0]]) == [])
    #expect(story.book.tally.priceChanges == 0)
    #expect(story.follow([calls[1], beside]) == [])
    #expect(story.book.tally.priceChanges == 1 && story.book.prices.newest == next)
    var dearer = story
    let line = dearer.ingest(by: 0, next)
    #expect(dearer.follow([line]) == [])
    let old = story.ingest(by: 0)
    #expect(story.follow([old]).first?.contains("by the prices in force") == true)
  }

  @Test func `charges storage by the prices in force when a period ends`() throws {
    let table = try #require(
      PriceTable.standard(replicas: 13).changed(["storage": 254_000]))
    let administrator = people[0]
    let body = table.canonicalBytes
    let call = SignedCall(
      call: Call(
        subnet: .zero, pipeline: "", method: .prices, bodyDigest: sha256(body),
        bodyBytes: UInt32(body.count), idempotencyKey: "p", sender: administrator,
        expiry: 900_000, stepLimit: 0), body: body, signature: nil)
    let header = Header(
      subnet: .zero, epoch: 0, view: 1, parentView: 0, parent: .zero, height: 2, time: 700_000,
      calls: [call.call.digest], certified: nil)
    let receipt = Receipt(
      call: call.call.digest, height: 2, position: 0, time: 700_000, pipeline: "",
      status: .applied, replayOf: nil, tally: RowTally(), notes: [], usage: Usage(), charged: 0)
    // Three periods, of which the first ends before the change.
    let period: UInt128 = 600 * 127_000
    for (taken, isFine) in [(5 * period, true), (3 * period, false), (6 * period, false)] {
      var model = StorageModel(replicas: 13)
      func account(_ taken: UInt128) -> FileAccount {
        FileAccount(pipeline: "p", bytes: 1 << 30, balance: 1, taken: taken)
      }
      #expect(model.follow(account(0), at: 1) == nil)
      model.prices.follow(Block(header: header, calls: [call]), [receipt])
      #expect((model.follow(account(taken), at: 1_800_000) == nil) == isFine)
    }
  }
}
