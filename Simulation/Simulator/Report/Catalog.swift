import Consensus
import Wire

/// What `quorate simulate list` prints.
package enum Catalog {
  package struct Entry: Sendable, Hashable {
    package let name: String
    package let meaning: String

    package init(name: String, meaning: String) {
      self.name = name
      self.meaning = meaning
    }
  }

  package static let checks: [Entry] = Check.allCases.map {
    Entry(name: $0.rawValue, meaning: $0.meaning)
  }

  package static let faults: [Entry] =
    [
      Entry(name: "cut", meaning: "nothing passes from these to those"),
      Entry(name: "isolate", meaning: "nothing passes between these and all others"),
      Entry(name: "split", meaning: "groups that hear only themselves"),
      Entry(name: "slow", meaning: "more latency, less bandwidth on these links"),
      Entry(name: "drop", meaning: "a share of the messages of a kind or view is lost"),
      Entry(name: "duplicate", meaning: "a share of the messages arrives twice"),
      Entry(name: "hold", meaning: "messages are kept back and delivered when the fault ends"),
      Entry(name: "replay", meaning: "old messages are sent again"),
      Entry(name: "pause", meaning: "a process stands still, then goes on"),
      Entry(name: "crash", meaning: "a process dies at a given effect; disk: says what is lost"),
      Entry(name: "wipe", meaning: "a process dies and its disk is empty when it returns"),
      Entry(
        name: "disk",
        meaning: "is: " + Fault.DiskFault.allCases.map(\.rawValue).joined(separator: ", ")),
      Entry(name: "clock", meaning: "a clock drifts, steps or stands still"),
      Entry(name: "cpu", meaning: "each turn of a process takes long"),
      Entry(name: "sql", meaning: "executing a block takes long"),
      Entry(name: "calm", meaning: "everything that is not permanent ends"),
    ]
    + PowerLoss.allCases.map {
      Entry(name: "power loss \($0.rawValue)", meaning: $0.meaning)
    }

  package static let actors: [Entry] = Scenario.Byzantine.Actor.allCases.map {
    Entry(name: $0.rawValue, meaning: $0.meaning)
  }

  package static let misuses: [Entry] = Misuse.allCases.map {
    Entry(name: $0.rawValue, meaning: $0.meaning)
  }

  package static let profiles: [Entry] = NetworkProfile.allCases.map {
    Entry(name: $0.rawValue, meaning: $0.meaning)
  }

  /// Rules that may be broken on purpose.
  package static let bugs: [Entry] = PlantedBug.allCases.map {
    Entry(name: $0.rawValue, meaning: $0.meaning)
  }

  package static let plantedBugs: [String] = bugs.map(\.name)

  /// Places of the core that a scenario may ask to be reached.
  package static let marks: [Entry] = Mark.allCases.map {
    Entry(name: $0.rawValue, meaning: $0.meaning)
  }
}

extension PowerLoss {
  package var meaning: String {
    switch self {
    case .nothing: "only the process dies; every write stays, until the power goes"
    case .unsynced: "nothing that was not synced survives"
    case .tornTail: "a prefix of the unsynced writes survives, the next one in part"
    case .scattered: "each unsynced sector survives, or not, or in part"
    }
  }
}
