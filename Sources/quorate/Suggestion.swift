import ArgumentParser
import Pipelines

/// What was meant by a word where a subcommand's name stands.
enum Suggestion {
  /// nil when the words lead to a command, or to an option.
  static func text(for arguments: [String], of root: any ParsableCommand.Type) -> String? {
    var command: any ParsableCommand.Type = root
    var path = name(of: root)
    for word in arguments {
      let below = command.configuration.subcommands.filter { $0.configuration.shouldDisplay }
      guard !command.configuration.subcommands.isEmpty, !word.hasPrefix("-"), word != "help" else {
        return nil
      }
      if let next = command.configuration.subcommands.first(where: { name(of: $0) == word }) {
        command = next
        path += " \(word)"
        continue
      }
      return unknown(word, path, below, root)
    }
    return nil
  }

  /// What ends replicas is not proposed to who may have meant something else.
  private static let harmful = ["stop", "down", "kill"]

  private static func unknown(
    _ word: String, _ path: String, _ below: [any ParsableCommand.Type],
    _ root: any ParsableCommand.Type
  ) -> String {
    let names = below.map(name(of:))
    var meant: String?
    if let near = Spelling.nearest(word, among: names),
      !harmful.contains(near)
    {
      meant = "\(path) \(near)"
    } else if let group = root.configuration.subcommands.first(where: { command in
      command.configuration.subcommands.contains { name(of: $0) == word }
    }) {
      meant = "\(name(of: root)) \(name(of: group)) \(word)"
    }
    let hint = meant.map { "; did you mean '\($0)'?" } ?? "."
    return "Error: '\(path)' has no command '\(word)'\(hint)\nIt has: "
      + names.joined(separator: ", ") + ". 'quorate help' tells more."
  }

  private static func name(of command: any ParsableCommand.Type) -> String { command._commandName }
}
