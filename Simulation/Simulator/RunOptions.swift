/// How a scenario is run, beside what it says itself.
package struct RunOptions: Sendable {
  /// How many of a million messages are decoded from their bytes at the receiver.
  package var decodesPPM: UInt64 = 1_000_000
  /// Clients read certified rows of what was acknowledged.
  package var reads = true
  /// Told what each replica notices, a line each, for whoever writes a scenario.
  package var narrate: (@Sendable (String) -> Void)?

  /// Told of every ten simulated minutes, for whoever watches memory.
  package var milestone: (@Sendable (Milestone) -> Void)?
  /// Ends when all is calm, whatever becomes of it then: who looks for marks alone.
  package var endsAtCalm = false
  /// The report tells what happened first when: what faults can be anchored to.
  package var remembersHappenings = false

  package init() {}
}
