import Wire

/// Which run has which number: seed, size, and now and then a rule broken on purpose.
///
/// - Safety: a number and the plan determine a run, however many processes share the work.
package struct FuzzPlan: Sendable, Hashable {
  /// One run in so many of a plain search breaks a rule, to see that it would be noticed.
  package static let mutantEvery = 1_000
  /// Rules that no run of two replicas or more can break unseen, however short: the first vote,
  /// certificate or state shows it. What a search finds of the others is a matter of chance, which
  /// `fuzz --broken` tells.
  package static let mutants: [PlantedBug] = [
    .quorum2f, .voteBeforeSync, .stateQuorum2f, .shareBeforeSync,
  ]
  /// Sizes by turns, small ones more often: there faults meet sooner and a run costs a fifth.
  package static let sizes = [4, 7, 4, 4, 13, 4, 4, 7, 4, 4, 7, 4]

  package var seedBase: UInt64 = 1
  /// nil: 4, 7 and 13 by turns.
  package var replicas: Int?
  package var blocks = 200
  /// More than `f` replicas collude in every run.
  package var overBudget = false
  /// The rule that every run breaks; nil: one run in a thousand breaks one of `mutants`, by turns.
  package var broken: String?
  package var folder: String?

  package init() {}

  package func task(_ number: Int) -> SearchTask {
    let size = replicas ?? Self.sizes[number % Self.sizes.count]
    let seed = seedBase &+ UInt64(number)
    return SearchTask(
      number: number,
      source: overBudget
        ? .collusion(seed: seed, replicas: size, blocks: blocks)
        : .random(seed: seed, replicas: size, blocks: blocks),
      broken: broken ?? mutant(number), folder: isMutant(number) ? nil : folder)
  }

  /// True for a run of a plain search that must fail.
  package func isMutant(_ number: Int) -> Bool {
    broken == nil && !overBudget && replicas != 1
      && number % Self.mutantEvery == Self.mutantEvery - 1
  }

  private func mutant(_ number: Int) -> String? {
    guard isMutant(number) else { return nil }
    return Self.mutants[number / Self.mutantEvery % Self.mutants.count].rawValue
  }
}
