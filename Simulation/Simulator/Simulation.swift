/// The whole subnet in one deterministic process: the replicas' own code on a simulated clock,
/// network and disk, judged all the time by an oracle that shares no code with it.
///
/// - Safety: the same scenario and options give the same events in the same order in any process;
///   the trace hash tells. There is one thread; nothing here reads a clock or draws chance that is
///   not the scenario's.
/// - Bound: a run ends at calm plus its liveness bound at the latest.
package enum Simulation {
  package static func run(
    _ scenario: Scenario, _ options: RunOptions = RunOptions()
  ) -> RunReport {
    World(scenario, options).run()
  }
}
