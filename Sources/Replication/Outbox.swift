import Wire

/// Keeps back what must not leave before the journal has what it stands on (rule R8).
///
/// - Safety: what is held with a ticket leaves only when that ticket, and so every earlier one, is
///   durable.
/// - Bound: one journal effect a step.
struct Outbox: Sendable {
  /// What the step gave so far, in order.
  var effects: [Effect] = []
  private(set) var issued: Ticket = 0
  private(set) var durable: Ticket = 0
  private var records: [Record] = []
  private var voices: [Effect] = []
  private var held: [(ticket: Ticket, effect: Effect)] = []
  private var heldFirst = 0
  /// Blocks among the records of a ticket.
  private var blocks: [(ticket: Ticket, digest: Digest)] = []
  private let holdsVoices: Bool

  init(holdsVoices: Bool) { self.holdsVoices = holdsVoices }

  /// Effects that wait for the journal.
  var heldCount: Int { held.count - heldFirst }

  mutating func record(_ record: Record) {
    records.append(record)
    if case .block(let digest, _) = record { blocks.append((issued + 1, digest)) }
  }

  /// An effect that depends on what was recorded up to the end of this step.
  mutating func voice(_ effect: Effect) {
    if holdsVoices { voices.append(effect) } else { effects.append(effect) }
  }

  /// An effect that depends on nothing.
  mutating func now(_ effect: Effect) { effects.append(effect) }

  /// Ends a step: its records leave as one effect, its voices wait for them.
  mutating func close(into out: inout [Effect]) {
    if !records.isEmpty {
      issued += 1
      effects.append(.journal(issued, records))
      records.removeAll()
    }
    for effect in voices {
      if issued > durable {
        held.append((issued, effect))
      } else {
        effects.append(effect)
      }
    }
    voices.removeAll(keepingCapacity: true)
    if out.isEmpty { swap(&out, &effects) } else { out.append(contentsOf: effects) }
    effects.removeAll(keepingCapacity: true)
  }

  /// Everything up to the ticket is durable.
  /// - Returns: the blocks that became so.
  mutating func release(_ ticket: Ticket) -> [Digest] {
    precondition(ticket <= issued, "ticket \(ticket) was not issued, \(issued) is the last")
    guard ticket > durable else { return [] }
    durable = ticket
    while heldFirst < held.count, held[heldFirst].ticket <= ticket {
      effects.append(held[heldFirst].effect)
      heldFirst += 1
    }
    if heldFirst == held.count {
      held.removeAll(keepingCapacity: true)
      heldFirst = 0
    } else if heldFirst > 256 {
      held.removeFirst(heldFirst)
      heldFirst = 0
    }
    let count = blocks.prefix { $0.ticket <= ticket }.count
    let done = blocks.prefix(count).map(\.digest)
    blocks.removeFirst(count)
    return done
  }
}
