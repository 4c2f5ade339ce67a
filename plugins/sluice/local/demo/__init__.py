"""`./sluice demo`: the main job on this machine, under live writes, from Airflow's scheduler; ends with a table of proof."""
