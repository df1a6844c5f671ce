"""Lightning callbacks: pictures, clips, usage alarms, throughput."""
