import ArgumentParser
import Foundation
import Pipelines

struct FeedCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "feed",
    abstract: "Write realistic bank feeds for the bank-reconciliation example, by seed.",
    discussion: """
      Institutions, ledger and bank lines, lifecycle stages and audit logs as CSV, with late lines,
      duplicates, other spellings, ambiguous pairs and bad rows among them.

        quorate feed feeds --rows 3000 --seed 42
      """)
  @Argument(help: "The folder to write into.") var directory: String
  @Option(help: "About so many transaction lines.") var rows = 3_000
  @Option(help: "The same seed gives the same bytes.") var seed: UInt64 = 42
  @Option(help: "Begins every id, so that several feeds do not meet.") var prefix = ""
  @Flag(help: "Write over other files of the same names.") var force = false

  func run() async throws {
    guard rows > 0, rows <= 10_000_000 else { throw Failure("--rows is 1 to 10,000,000.") }
    let folder = URL(filePath: directory)
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    let feed = FeedGenerator(seed: seed, rows: rows, prefix: prefix)
    let files = feed.files.map { source, text in
      (file: folder.appending(path: "\(source).csv"), text: text)
    }
    for (file, text) in files where !force {
      let isOther =
        FileManager.default.fileExists(atPath: file.path)
        && FileManager.default.contents(atPath: file.path) != Data(text)
      guard !isOther else {
        throw Failure(
          "\(file.path) is there already with other content, and nothing was written. Name another "
            + "folder, or give --force to write over it.")
      }
    }
    for (file, text) in files {
      try Data(text).write(to: file)
      Terminal.say("\(file.path)  \(counted(text.count { $0 == 10 } - 1, "row"))")
    }
  }
}
