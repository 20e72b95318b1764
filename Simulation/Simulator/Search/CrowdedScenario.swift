import Wire

extension Scenario {
  /// A random story with at least so many faults, drawn from one seed after the other: what a long
  /// fuzz run looks like, for shrinking.
  ///
  /// - Parameters:
  ///   - faults: how many faults at least, calm not counted.
  ///   - duration: until calm.
  package static func crowded(
    seed: UInt64, replicas: Int, faults: Int, duration: Span
  ) -> Scenario {
    var scenario = Scenario.random(seed: seed, replicas: replicas, duration: duration)
    let calm = scenario.faults.filter { $0.verb == .calm }
    var crowd = scenario.faults.filter { $0.verb != .calm }
    var next = seed
    while crowd.count < faults {
      next &+= 1
      let other = Scenario.random(seed: next, replicas: replicas, duration: duration)
      crowd += other.faults.filter { $0.verb != .calm && $0.lasting != .forever && $0.isFree }
    }
    scenario.faults = crowd + calm
    scenario.title = "Crowded run of seed 0x" + String(seed, radix: 16)
    return scenario
  }
}

extension Fault {
  /// It spends nothing of the budget.
  fileprivate var isFree: Bool {
    var scenario = Scenario(title: "")
    scenario.cluster.replicas = ScenarioLimits.replicasMax
    scenario.faults = [self]
    return scenario.spentBudget == 0
  }
}
