import ArgumentParser
import Foundation
import Simulator

struct SimulateGallery: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "gallery",
    abstract: "Every scenario file, and the planted bug that each must catch.",
    discussion: """
      Each file is run as the rules are, where it must pass with every fault begun and every mark
      reached, and with the rule broken that it names, where the check must fail that it names.
      Then it is run without its faults and actors until calm: a broken rule may not show then, and
      a file that names none must miss what it expects.
      Exit status: 1 or 2 when a file fails, 3 when a file shows nothing or no file catches a bug.

        quorate simulate gallery --jobs 2
      """)
  @Option(help: "Where scenario files lie.") var directory = ScenarioFolder.usual
  @Option(help: "Processes at work at once.")
  var jobs = ProcessInfo.processInfo.activeProcessorCount
  @Flag(help: "For programs.") var json = false

  func validate() throws {
    guard (1...64).contains(jobs) else { throw ValidationError("--jobs is 1 to 64.") }
  }

  func run() async throws {
    let files = try ScenarioFolder(directory).files
    var gallery = Gallery(try files.map { ($0, try SimulateCommand.read($0)) })
    var tasks = gallery.tasks
    var bar = ProgressBar("Showing", unit: "runs", total: tasks.count)
    var done = 0
    tasks.reverse()
    try WorkerPool(jobs: jobs).perform(
      next: { tasks.popLast() }, waiting: { bar.show(done) },
      done: { run in
        done += 1
        gallery.add(run)
        return true
      })
    bar.finish()
    Terminal.say(json ? try Terminal.json(gallery.rows.map(Shown.init)) : text(gallery))
    throw ExitCode(gallery.exitCode)
  }

  private func text(_ gallery: Gallery) -> String {
    let header = ["scenario", "replicas", "heights", "shipped", "planted bug", "caught by"]
    var lines = [
      Terminal.table(
        header,
        gallery.rows.map { row in
          [
            row.name, "\(row.shipped.replicas)", grouped(row.shipped.blocks),
            row.shipped.check ?? "pass", row.scenario.expect.planted ?? "",
            catcher(of: row),
          ]
        }), "",
    ]
    for row in gallery.rows {
      lines += row.complaints.map { "\(row.name): \($0)" }
    }
    lines += gallery.holes.map { "open hole: no scenario catches \($0)" }
    let caught = Catalog.plantedBugs.count - gallery.holes.count
    lines.append(
      "\(gallery.exitCode == 0 ? "PASS" : "FAIL")  \(counted(gallery.rows.count, "scenario")), "
        + "\(caught) of \(Catalog.plantedBugs.count) planted bugs caught")
    return lines.joined(separator: "\n")
  }

  private func catcher(of row: Gallery.Row) -> String {
    if row.isVacuous { return "VACUOUS" }
    guard let broken = row.broken else { return "" }
    guard row.isCaught else { return "NOT CAUGHT" }
    let isMeant = row.isCaughtAlone == row.scenario.expect.plantedAlone
    return isMeant ? broken.check ?? "" : row.isCaughtAlone ? "CAUGHT ALONE" : "NOT ALONE"
  }

  private struct Shown: Encodable {
    let scenario: String
    let title: String
    let shipped: RunSummary
    let broken: RunSummary?
    let alone: RunSummary?
    let faultless: RunSummary?
    let caught: Bool
    let complaints: [String]

    init(_ row: Gallery.Row) {
      scenario = row.name
      title = row.scenario.title
      shipped = row.shipped
      broken = row.broken
      alone = row.alone
      faultless = row.faultless
      caught = row.isCaught
      complaints = row.complaints
    }
  }
}
