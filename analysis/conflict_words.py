"""What a conflict map says, and what it cannot, in sentences: for the command and for the page. No torch."""

from analysis.conflict_map import ConflictMap


def set_names(found: ConflictMap) -> list[str]:
    """`forget set`, `retain set`, or `retain set 1`, `retain set 2`, ..., in the order of the map's circuits."""
    several, number, names = len(found.circuits) > 2, 0, []
    for circuit in found.circuits:
        number += circuit.set == "retain"
        names.append(f"{circuit.set} set{f' {number}' if several and circuit.set == 'retain' else ''}")
    return names


def solved(found: ConflictMap) -> str:
    """What was proven about the number of conflicts."""
    n = found.n_conflicts
    if found.status == "optimal" and n == 0:
        return "Proven: nothing stands against forgetting the one and keeping the other; no node is in conflict."
    if found.status == "optimal":
        return f"Proven: no way of forgetting and keeping has fewer than {n} conflict{'' if n == 1 else 's'}."
    if found.status == "timeout":
        return (
            f"Not proven: between {found.at_least} and {n} conflicts. The time limit ended the search; the map shows the best found, "
            "and none of its labels is certain."
        )
    return (
        f"Proven: {n} conflict{' is' if n == 1 else 's are'} the fewest. Not proven: which nodes are the same in every optimum; the "
        "time limit ended that search, and what it did not reach counts as free."
    )


def cautions(found: ConflictMap) -> list[str]:
    """What a reader should know before using the map."""
    said = []
    missed = [name for name, circuit in zip(set_names(found), found.circuits, strict=True) if not circuit.reached]
    if missed:
        said.append(f"The circuits of {', '.join(missed)} did not reach the target, so their gates may be wrong.")
    forget, conflict = found.assigned("forget"), found.assigned("conflict")
    if len(conflict) == len(found.nodes):
        said.append("Every head and MLP is in conflict, so the map tells none apart and its masks hold back next to nothing. "
                    "Compute it again with a lower target: sparser circuits tell nodes apart, but explain less.")
    elif not forget and not conflict:
        said.append("There is no forget and no conflict node, so no run can use the map. Compute it again with another target.")
    elif not forget or not conflict:
        said.append(f"There is no {'conflict' if forget else 'forget'} node: CLUE's stage for these is left out, and its epochs go to "
                    "the other.")
    return said
