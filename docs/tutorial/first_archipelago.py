"""Tutorial: your first archipelago.

Run it as it stands (`python docs/tutorial/first_archipelago.py`); it takes a minute or two. Or paste it piece by piece
into a notebook. The tests execute this very file.
"""

import archipel

# 1. A case.
#
# `district` is two feeders of a city: 1,075 nodes, 148 roofs with five times the panels of today, batteries in some
# places and none in others. Everything a run needs stands in one TOML file with tables beside it.

case = archipel.scenario("district")
print(case)

# Its cells form a tree. The root holds the connection to the upstream grid, each feeder is a child of the root, and
# each low-voltage grid is a child of its feeder. Every cell but the root has one closed tie to the cell above.

for cell in case.archipelago.cell:
    print(f"{cell.level:>10}  {cell.id:<14} below {cell.parent or 'the upstream grid'}")

# The connection can carry 2.6 MW out, and no cell can see that by itself. This is why cells must talk.

print(f"export limit: {case.connection.export_kw_max:,.0f} kW")

# 2. A day, run twice.
#
# Once with every device on its own rule, as sold today, and once with cells that agree every hour. Same weather, same
# devices, same prices; physics is true AC power flow in both.

run = archipel.run(case, ["uncoordinated", "distributed"])
print(run)

# 3. What came out.
#
# The table says what every figure means in its last lines; in a notebook, `run` alone shows it.

print(run.table())

uncoordinated = run.kpis["strategies"]["uncoordinated"]
distributed = run.kpis["strategies"]["distributed"]
print(f"highest export: {uncoordinated['peak_export_kw']:,.0f} kW uncoordinated", end=", ")
print(f"{distributed['peak_export_kw']:,.0f} kW agreed")

# 4. Looking closer.
#
# All that happened is in tables. Powers are positive where something draws power, so a panel is negative. The rows
# below are one tie late in the morning: both ends, each positive into its own cell, and what a kWh was worth there.

ties = run.frame("boundaries", ["time", "tie", "cell", "p_kw", "price_eur_per_kwh"], "distributed")
for row in ties.to_pylist():
    if row["tie"] == "line/114" and f"{row['time']:%H:%M}" == "11:00":
        print(f"{row['cell']:<12} {row['p_kw']:8.1f} kW {row['price_eur_per_kwh']:8.4f} EUR/kWh")

# The same as arrays, one row per element and one column per step.

voltages = run.array("nodes", "v_pu", "distributed")
print(f"voltages between {voltages.min():.3f} and {voltages.max():.3f} pu")

# How cells came to agree: rounds of messages, the certified gap to the optimum, and whether the AC check passed.

for plan in run.frame("agreements", ["time", "rounds", "gap", "accepted"], "distributed").to_pylist()[:3]:
    print(f"{plan['time']:%H:%M}  {plan['rounds']} rounds, gap {plan['gap']:.1e}, accepted: {plan['accepted']}")

# 5. A picture to keep.
#
# One HTML file that needs nothing else, not even a network.

print("report:", run.report())

# From here: bring your own network (docs/how-to/bring-your-own-network.md), or read how cells agree
# (docs/explanation/how-cells-agree.md).
