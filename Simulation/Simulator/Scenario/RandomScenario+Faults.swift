import Wire

/// Faults that spend nothing, because they end.
extension Teller {
  mutating func drawPassing(_ feature: Feature) {
    let span = Span.milliseconds(chance.within(100...3_000))
    let verb = verb(feature)
    scenario.faults.append(Fault(at: moment(), verb, .span(span)))
  }

  private mutating func verb(_ feature: Feature) -> Fault.Verb {
    switch feature {
    case .cuts: cut()
    case .slowLinks:
      .slow(
        from: oneOf(everyone), to: .all, latency: .milliseconds(chance.within(50...900)),
        bytesPerSecond: chance.happens(500_000) ? chance.within(20_000...500_000) : nil)
    case .drops: .drop(filter())
    case .duplicates: .duplicate(filter())
    case .holds: .hold(filter())
    case .replays: .replay(filter())
    case .pauses: .pause(some())
    case .crashesOfAll: .crash(.all, chance.pick(PowerLoss.allCases), effects: 0)
    case .slowDisks: .disk(oneOf(everyone), .slow)
    case .clocks: .clock(oneOf(everyone), clock())
    case .slowProcesses: .cpu(oneOf(everyone), Span(chance.within(200...8_000)))
    case .slowExecution:
      .sql(
        chance.happens(300_000) ? .all : oneOf(everyone), .milliseconds(chance.within(100...1_500)))
    default:
      .crash(
        oneOf(everyone), chance.pick(PowerLoss.allCases), effects: chance.below(12))
    }
  }

  private mutating func cut() -> Fault.Verb {
    switch chance.below(3) {
    case 0: return .cut(from: some(), to: .rest)
    case 1: return .isolate(oneOf(everyone))
    default:
      let all = everyone
      guard all.count > 1 else { return .isolate(.replicas(all)) }
      let part = chance.pick(1 + chance.below(all.count - 1), of: all)
      return .split([.replicas(part), .replicas(all.filter { !part.contains($0) })])
    }
  }

  /// Within what clocks may differ by, half of the time; far beyond it, the other half.
  private mutating func clock() -> Fault.ClockFault {
    let range: Int64 = chance.happens(500_000) ? 400 : 20_000
    switch chance.below(4) {
    case 0: return .stuck
    case 1: return .drift(Int64(chance.below(UInt64(400_000))) - 200_000)
    default: return .step(Int64(chance.below(UInt64(2 * range))) - range)
    }
  }

  private mutating func oneOf(_ ids: [ReplicaID]) -> Who { .replicas([chance.pick(ids)]) }

  private mutating func filter() -> Fault.Filter {
    var filter = Fault.Filter()
    filter.kind = chance.happens(600_000) ? chance.pick(MessageKind.allCases) : nil
    filter.from = chance.happens(500_000) ? .all : some()
    filter.to = chance.happens(500_000) ? .all : some()
    filter.ratePPM = chance.pick([100_000, 300_000, 600_000, 1_000_000])
    return filter
  }
}
