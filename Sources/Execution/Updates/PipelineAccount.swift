import Metering
import Pipelines
import Wire

/// A pipeline's cycles, what they went into, and what it stores, in its own file.
///
/// - Safety: `burns` sums up to what is burned; each cycle is entered under one name.
/// - Bound: a line for each source, procedure and model of the package, and three more.
struct PipelineAccount: Canonical, Hashable {
  private(set) var cycles = Account(balance: 0)
  /// Logical bytes: rows with their keys, 100 a row and an index entry, receipts that were paid,
  /// tombstones as rows.
  private(set) var storedBytes: UInt64 = 0
  /// Storage is charged up to this block time.
  private var chargedTo: Moment = 0
  /// Since when the balance does not pay for the storage; nil while it does.
  private(set) var unpaidSince: Moment?
  /// Days since 1970 of block time.
  private var day: UInt64 = 0
  private var burnedBeforeToday: Cycles = 0
  private(set) var burnedYesterday: Cycles = 0
  /// Ascending by kind and name.
  private(set) var burns: [BurnLine] = []

  static let dayMilliseconds: UInt64 = 86_400_000

  init() {}

  mutating func grow(_ bytes: Int64) {
    let sum = Int64(clamping: storedBytes).addingClamped(bytes)
    storedBytes = UInt64(max(0, sum))
  }

  var burnedToday: Cycles { Cycles(cycles.burned.above(burnedBeforeToday)) }

  /// Whether every cycle that was burned is entered somewhere.
  var isBalanced: Bool {
    burns.reduce(UInt128(0)) { $0 + UInt128($1.cycles.number) } == UInt128(cycles.burned.number)
  }

  // MARK: Time

  /// Charges storage for each period that has ended by a block time, and begins a new day of the
  /// books. Bytes change in blocks alone, so charging late comes to the same as charging at once.
  /// Within a period nothing changes: a block that runs no call leaves the state as it was.
  mutating func advance(to now: Moment, _ schedule: PriceSchedule) {
    for (end, table) in schedule.spans(after: chargedTo, to: now) { charge(to: end, table) }
  }

  private mutating func charge(to now: Moment, _ prices: PriceTable) {
    let periods = Freezing.storagePeriods(after: chargedTo, to: now)
    guard periods > 0 else { return }
    let period = Freezing.storagePeriod.milliseconds
    let price = prices.storage(bytes: storedBytes, seconds: period / 1_000)
    let due = Cycles(price.number.multipliedCapped(periods))
    let taken = cycles.charge(due)
    enter(taken, .storage, "")
    if taken < due, unpaidSince == nil {
      let paid = price.number == 0 ? 0 : taken.number / price.number
      unpaidSince = chargedTo.advanced(by: paid.multipliedCapped(period))
    }
    chargedTo = now
    begin(day: now.number / Self.dayMilliseconds, idle: prices)
  }

  private mutating func begin(day today: UInt64, idle prices: PriceTable) {
    guard today > day else { return }
    burnedYesterday =
      today == day + 1
      ? burnedToday : min(cycles.burned, prices.storage(bytes: storedBytes, seconds: 86_400))
    burnedBeforeToday = cycles.burned
    day = today
  }

  /// Frozen for lack of cycles, or archived once storage went unpaid for as long as the package
  /// keeps in reserve. Either goes with a top-up; nothing is deleted.
  func condition(_ freezing: Freezing, at now: Moment) -> PipelineReport.Condition {
    guard cycles.balance < freezing.threshold(logicalBytes: storedBytes) else { return .running }
    guard let unpaidSince, now >= freezing.archives(unpaidSince: unpaidSince) else {
      return .frozen
    }
    return .archived
  }

  /// Why a call that may cost so much is refused; nil when it may run.
  func refusal(
    pipeline: String, cost: Cycles, _ freezing: Freezing, at now: Moment
  ) -> Refusal? {
    let balance = cycles.balance
    guard freezing.freezes(balance: balance, cost: cost, logicalBytes: storedBytes) else {
      return nil
    }
    return freezing.refusal(
      pipeline: pipeline, balance: balance, cost: cost, logicalBytes: storedBytes,
      isArchived: condition(freezing, at: now) == .archived)
  }

  // MARK: Cycles

  /// - Returns: false when the account would hold more than can be counted.
  mutating func deposit(_ amount: Cycles, _ freezing: Freezing) -> Bool {
    guard cycles.deposit(amount) else { return false }
    if cycles.balance >= freezing.threshold(logicalBytes: storedBytes) { unpaidSince = nil }
    return true
  }

  /// Sets cycles aside for an update. Nothing else runs on the file meanwhile.
  /// - Parameter most: no more than this, and no more than what storage leaves of the balance.
  mutating func reserve(upTo most: Cycles, _ freezing: Freezing?) -> Reservation {
    let kept = freezing?.threshold(logicalBytes: storedBytes) ?? 0
    let free = Cycles(cycles.balance.above(kept))
    guard let reservation = cycles.reserve(min(most, free)) else {
      preconditionFailure("an account cannot set aside its own balance")
    }
    return reservation
  }

  /// Gives back all that was set aside.
  mutating func release(_ reservation: consuming Reservation) {
    cycles.settle(reservation, used: 0)
  }

  /// Ends an update's reservation and enters what it burned: each model's work under its name, the
  /// rest under what was called.
  /// - Returns: what was taken.
  mutating func settle(
    _ reservation: consuming Reservation, used: Cycles, by method: Method,
    models: [ModelWork] = [], _ prices: PriceTable
  ) -> Cycles {
    let charged = cycles.settle(reservation, used: used)
    var rest = charged
    for work in models {
      let share = min(prices.work(work.usage), rest)
      enter(share, .model, work.model)
      rest = Cycles(rest.number - share.number)
    }
    enter(rest, by: method)
    return charged
  }

  /// Takes cycles for what is done already.
  /// - Returns: what was taken, at most the balance.
  mutating func charge(_ amount: Cycles, by method: Method) -> Cycles {
    let charged = cycles.charge(amount)
    enter(charged, by: method)
    return charged
  }

  private mutating func enter(_ amount: Cycles, by method: Method) {
    switch method {
    case .ingest(let source, _), .release(let source): enter(amount, .source, source)
    case .procedure(let name): enter(amount, .procedure, name)
    case .grant, .revoke: enter(amount, .roles, "")
    case .deploy, .topUp, .transfer, .prices, .engines:
      preconditionFailure("\(method.label) is not paid by a pipeline")
    }
  }

  private mutating func enter(_ amount: Cycles, _ kind: BurnLine.Kind, _ name: String) {
    guard amount > 0 else { return }
    let place =
      burns.firstIndex { ($0.kind, $0.name) >= (kind, name) } ?? burns.endIndex
    if place < burns.endIndex, burns[place].kind == kind, burns[place].name == name {
      // The sum of all lines is what is burned, which is a number of cycles.
      burns[place].cycles = Cycles(burns[place].cycles.number + amount.number)
    } else {
      burns.insert(BurnLine(kind: kind, name: name, cycles: amount), at: place)
    }
  }

  /// Folds what a package no longer holds into one line.
  mutating func keepLines(of package: Package) {
    var gone: Cycles = 0
    burns.removeAll { line in
      let isThere =
        switch line.kind {
        case .source: package.source(line.name) != nil
        case .procedure: package.procedure(line.name) != nil
        case .model: package.model(line.name) != nil
        case .storage, .roles, .former: true
        }
      if !isThere { gone = Cycles(gone.number + line.cycles.number) }
      return !isThere
    }
    enter(gone, .former, "")
  }

  // MARK: Bytes

  func encode(into encoder: inout Encoder) {
    encoder.value(cycles)
    encoder.integer(storedBytes)
    encoder.value(chargedTo)
    encoder.optional(unpaidSince)
    encoder.integer(day)
    encoder.value(burnedBeforeToday)
    encoder.value(burnedYesterday)
    encoder.list(burns)
  }

  init(from decoder: inout Decoder) throws(Malformed) {
    cycles = try decoder.value()
    storedBytes = try decoder.integer()
    chargedTo = try decoder.value()
    unpaidSince = try decoder.optional()
    day = try decoder.integer()
    burnedBeforeToday = try decoder.value()
    burnedYesterday = try decoder.value()
    burns = try decoder.list(limit: ExecutionLimits.burnLinesMax)
  }
}

/// What computing one model took in one update.
struct ModelWork {
  let model: String
  let usage: Usage
}
