"""A page that plays a world by itself: static files, no server of ours (`site.write_site`)."""
