import Execution
import Replication
import Wire

/// The replica as the loop steps it.
struct ReplicaCore: SteppedCore {
  private var replica: Replica

  init(_ configuration: Configuration, _ restored: Restored) {
    replica = Replica(configuration, restored: restored)
  }

  mutating func start(at now: Moment, effects: inout [Effect]) {
    replica.start(at: now, effects: &effects)
  }

  mutating func step(_ input: Input, at now: Moment, effects: inout [Effect]) {
    replica.step(input, at: now, effects: &effects)
  }

  var load: CoreLoad { CoreLoad() }
}
